"""Matrix products of every kind of shape against NumPy: small and odd extents, batches, broadcasts, any strides."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import retrograd as rg

RNG = np.random.default_rng(0)
EXTENTS = [0, 1, 2, 3, 8, 17, 65]
BATCHES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((5,), (5,)),
    ((5,), ()),
    ((), (5,)),
    ((2, 1), (3,)),
    ((1,), (4,)),
    ((0,), (0,)),
    ((2, 3), (2, 3)),
]


def check(x: rg.Tensor, y: rg.Tensor) -> None:
    a, b = x.double().numpy(), y.double().numpy()
    got = (x @ y).double().numpy()
    scale = float(np.abs(a).max(initial=0) * np.abs(b).max(initial=0) * max(1, a.shape[-1]))
    # A result in bfloat16 is rounded to 8 bits, once.
    tolerance = {rg.float64: 1e-14, rg.float32: 1e-6, rg.bfloat16: 2.0**-8}[x.dtype]
    np.testing.assert_allclose(got, a @ b, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64, rg.bfloat16], ids=str)
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_shapes(batch: tuple[tuple[int, ...], tuple[int, ...]], dtype: rg.DType) -> None:
    for m, k, n in itertools.product(EXTENTS, repeat=3):
        a = rg.tensor(RNG.standard_normal((*batch[0], m, k))).to(dtype)
        b = rg.tensor(RNG.standard_normal((*batch[1], k, n))).to(dtype)
        check(a, b)


def backwards(t: rg.Tensor) -> rg.Tensor:
    return t.mT.contiguous().mT


def gapped(t: rg.Tensor) -> rg.Tensor:
    return rg.stack([t, t], -1)[..., 0]


def expanded(t: rg.Tensor) -> rg.Tensor:
    return t[..., :1, :].expand(*t.shape)


def batch_last(t: rg.Tensor) -> rg.Tensor:
    return t.movedim(0, -1).contiguous().movedim(-1, 0)


LAYOUTS = [lambda t: t, backwards, gapped, expanded, batch_last]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(range(len(LAYOUTS)), repeat=2)))
def test_layouts(first: int, second: int) -> None:
    for m, k, n in itertools.product([1, 3, 40], repeat=3):
        a = rg.tensor(RNG.standard_normal((3, m, k)).astype(np.float32))
        b = rg.tensor(RNG.standard_normal((3, k, n)).astype(np.float32))
        x, y = LAYOUTS[first](a), LAYOUTS[second](b)
        check(x, y)
        check(x[1], y[1])


@pytest.mark.parametrize("shape", [(300, 257, 129), (1, 1000, 513), (513, 1000, 1), (2, 2000, 3), (700, 3, 700)])
def test_larger_products(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    for dtype in (np.float32, np.float64):
        check(
            rg.tensor(RNG.standard_normal((m, k)).astype(dtype)), rg.tensor(RNG.standard_normal((k, n)).astype(dtype))
        )


def test_bfloat16_is_rounded_once() -> None:
    """Sums are float32 however long they are: in bfloat16 they would stop growing at 256."""
    for m, n in ((1, 1), (1, 40), (3, 5), (70, 33)):
        ones = rg.ones(m, 5000).bfloat16() @ rg.ones(5000, n).bfloat16()
        assert ones.dtype == rg.bfloat16
        assert ones.tolist() == np.full((m, n), 4992.0).tolist()  # the nearest to 5000 that has 8 bits


def test_bfloat16_linear_and_its_gradients() -> None:
    x, w, b = (rg.tensor(RNG.standard_normal(s).astype(np.float32)) for s in ((6, 33), (17, 33), (17,)))
    wide = [t.bfloat16().double().requires_grad_() for t in (x, w, b)]
    narrow = [t.bfloat16().requires_grad_() for t in (x, w, b)]
    for operands in (wide, narrow):
        rg.nn.functional.linear(*operands).sum().backward()
    for exact, got in zip(wide, narrow, strict=True):
        assert got.grad is not None
        assert exact.grad is not None
        assert got.grad.dtype == rg.bfloat16
        np.testing.assert_allclose(got.grad.double().numpy(), exact.grad.numpy(), rtol=2.0**-7, atol=2.0**-7)


def test_float16_says_what_to_do() -> None:
    with pytest.raises(NotImplementedError, match="cast them to float32"):
        rg.ones(2, 2).to(rg.float16) @ rg.ones(2, 2).to(rg.float16)


@pytest.mark.parametrize("vector", ["left", "right", "both"])
def test_vectors(vector: str) -> None:
    a: Any = RNG.standard_normal(7 if vector != "right" else (4, 7))
    b: Any = RNG.standard_normal(7 if vector != "left" else (7, 5))
    np.testing.assert_allclose((rg.tensor(a) @ rg.tensor(b)).numpy(), a @ b, rtol=1e-13)


def test_products_do_not_read_what_was_there_before() -> None:
    """Memory is used again: what an earlier result left there must not matter, not even NaN."""
    for shape in ((5, 3, 1), (1, 64, 48), (33, 0, 33), (65, 65, 65)):
        m, k, n = shape
        rg.full((4, m, n), float("nan"))
        result = rg.ones(4, m, k) @ rg.ones(4, k, n)
        assert result.tolist() == np.full((4, m, n), float(k)).tolist()


def test_out_is_written_over() -> None:
    a, b = rg.randn(3, 4), rg.randn(4, 5)
    want = (a @ b).numpy()
    for out in (rg.zeros(3, 5), rg.zeros(5, 3).t(), rg.zeros(6, 5)[::2]):
        version = out._version
        assert rg.matmul(a, b, out=out) is out
        assert out._version == version + 1
        np.testing.assert_array_equal(out.numpy(), want)
    square = rg.randn(4, 4)
    want = (square @ square).numpy()
    assert rg.matmul(square, square, out=square).numpy().tobytes() == want.tobytes()
    assert rg.matmul(a, b[:, 0], out=rg.zeros(3)).tolist() == (a @ b[:, 0]).tolist()


def test_what_out_may_not_be() -> None:
    a, b = rg.randn(3, 4), rg.randn(4, 5)
    for out in (rg.zeros(5, 3), rg.zeros(3, 5, dtype=rg.float64)):
        with pytest.raises(ValueError, match="matmul: the result is float32 of shape"):
            rg.matmul(a, b, out=out)
    with pytest.raises(RuntimeError, match="expanded"):
        rg.matmul(a, b, out=rg.zeros(1, 5).expand(3, 5))
    weight = rg.randn(4, 5, requires_grad=True)
    with pytest.raises(RuntimeError, match="no_grad"):
        rg.matmul(a, weight, out=rg.zeros(3, 5))
    with rg.no_grad():
        rg.matmul(a, weight, out=rg.zeros(3, 5))
