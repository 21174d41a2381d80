"""Random numbers: seeded, distributed as they should be, and the same wherever they are made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

N = 200_000


def seeded(seed: int, draw: Any) -> Any:
    rg.manual_seed(seed)
    return draw().numpy().tolist()


DRAWS: dict[str, Any] = {
    "rand": lambda: rg.rand(7),
    "randn": lambda: rg.randn(7),
    "randint": lambda: rg.randint(0, 1000, (7,)),
    "randperm": lambda: rg.randperm(50),
    "uniform_": lambda: rg.empty(7).uniform_(-1, 1),
    "normal_": lambda: rg.empty(7).normal_(1, 2),
    "dropout": lambda: F.dropout(rg.ones(50)),
    "linear": lambda: nn.Linear(3, 4).weight.detach(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_seed_decides(name: str) -> None:
    draw = DRAWS[name]
    assert seeded(1, draw) == seeded(1, draw)
    assert seeded(1, draw) != seeded(2, draw)
    rg.manual_seed(1)
    assert draw().tolist() != draw().tolist()


def test_a_draw_is_a_prefix_of_a_longer_one() -> None:
    assert seeded(3, lambda: rg.rand(10_000))[:100] == seeded(3, lambda: rg.rand(100))


def test_shape_does_not_matter() -> None:
    rows = seeded(3, lambda: rg.rand(3, 4))
    assert [x for row in rows for x in row] == seeded(3, lambda: rg.rand(12))


def test_uniform() -> None:
    rg.manual_seed(0)
    a = rg.rand(N).numpy()
    assert 0 <= a.min() < 1e-4
    assert 1 - 1e-4 < a.max() < 1
    assert a.mean() == pytest.approx(0.5, abs=4 / math.sqrt(12 * N))
    counts = np.histogram(a, 100, (0, 1))[0]
    assert ((counts - N / 100) ** 2 / (N / 100)).sum() < 160  # Chi squared with 99 degrees of freedom: p about 1e-4.
    b = rg.empty(N, dtype=rg.float64).uniform_(-3, 5).numpy()
    assert b.min() >= -3
    assert b.max() < 5
    assert b.mean() == pytest.approx(1, abs=0.03)
    # Neighbours have nothing to do with each other.
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 5 / math.sqrt(N)


@pytest.mark.parametrize("dtype", [rg.bfloat16, rg.float16], ids=str)
def test_uniform_of_half_types_excludes_the_end(dtype: rg.DType) -> None:
    a = rg.rand(N, dtype=dtype).float().numpy()
    assert 0 <= a.min() < a.max() < 1
    assert a.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("low", "high"), [(-3e38, 3e38), (-1e308, 1e308), (0, math.inf)])
def test_uniform_over_a_range_that_is_no_number(low: float, high: float) -> None:
    x = rg.zeros(3)
    with pytest.raises(ValueError, match="range"):
        x.uniform_(low, high)
    assert x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64], ids=str)
def test_normal(dtype: rg.DType) -> None:
    rg.manual_seed(0)
    a = rg.randn(N, dtype=dtype).numpy().astype(np.float64)
    assert np.isfinite(a).all()
    assert a.mean() == pytest.approx(0, abs=5 / math.sqrt(N))
    assert a.std() == pytest.approx(1, abs=5 / math.sqrt(2 * N))
    assert (a**3).mean() == pytest.approx(0, abs=5 * math.sqrt(15 / N))
    assert (a**4).mean() == pytest.approx(3, abs=5 * math.sqrt(96 / N))
    assert (np.abs(a) > 3).mean() == pytest.approx(0.0027, rel=0.2)
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 5 / math.sqrt(N)
    assert abs(np.corrcoef(a[::2], a[1::2])[0, 1]) < 8 / math.sqrt(N)


def test_randint_and_randperm() -> None:
    rg.manual_seed(0)
    a = rg.randint(-3, 7, (N,)).numpy()
    assert (a.min(), a.max()) == (-3, 6)
    counts = np.bincount(a + 3)
    assert ((counts - N / 10) ** 2 / (N / 10)).sum() < 35
    assert rg.randint(5, (3,)).dtype == rg.int64
    p = rg.randperm(1000)
    assert p.dtype == rg.int64
    assert sorted(p.tolist()) == list(range(1000))
    assert rg.randperm(0).shape == (0,)
    # Every place is as likely for every number.
    places = np.array([rg.randperm(4).tolist() for _ in range(6000)])
    for i in range(4):
        assert ((np.bincount(places[:, i]) - 1500) ** 2 / 1500).sum() < 25
    bad: Any
    for bad in (lambda: rg.randint(3, 3, (1,)), lambda: rg.randint(5, 2, (1,)), lambda: rg.randperm(-1)):
        with pytest.raises((ValueError, OverflowError)):
            bad()


def test_dropout() -> None:
    rg.manual_seed(0)
    x = rg.tensor(np.arange(1, N + 1, dtype=np.float64), requires_grad=True)
    y = F.dropout(x, 0.3)
    ratio = y.detach().numpy() / x.detach().numpy()
    kept = ratio != 0
    assert kept.mean() == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / N))
    np.testing.assert_allclose(ratio[kept], 1 / 0.7, rtol=1e-12)
    # Neighbours are dropped independently.
    assert abs(np.corrcoef(kept[:-1], kept[1:])[0, 1]) < 5 / math.sqrt(N)
    y.backward(rg.ones_like(y.detach()))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), kept / 0.7, rtol=1e-12)


def test_dropout_has_a_second_derivative() -> None:
    rg.manual_seed(0)
    x = rg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = F.dropout(x * x, 0.5)
    (g,) = rg.autograd.grad(y.sum(), [x], create_graph=True)
    (h,) = rg.autograd.grad(g.sum(), [x])
    mask = (y != 0).tolist()
    assert h.tolist() == [4.0 if m else 0.0 for m in mask]


def test_the_mask_does_not_depend_on_dtype_or_layout() -> None:
    masks = []
    for x in (
        rg.ones(30, 40),
        rg.ones(30, 40, dtype=rg.float64),
        rg.ones(40, 30).t(),
        rg.ones(1).expand(30, 40),
    ):
        rg.manual_seed(4)
        masks.append((F.dropout(x, 0.5) != 0).tolist())
    assert all(m == masks[0] for m in masks)


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1, 2**64 - 1, -1])
def test_seeds(seed: int) -> None:
    rg.manual_seed(seed)
    rg.rand(1)


@pytest.mark.parametrize("seed", ["1", 1.5, None, 2**65])
def test_bad_seeds(seed: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        rg.manual_seed(seed)
