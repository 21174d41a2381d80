"""vmap: a function of one example, run on a batch, gives what a loop gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from retrograd import Tensor, vmap

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3, 4))
Y = RNG.standard_normal((5, 4, 2))
V = RNG.standard_normal((5, 4))
W = RNG.standard_normal((4, 2))


def three(x: Tensor, w: Tensor) -> Tensor:
    return (x @ w).tanh().sum(0)


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[Any], Any]] = {
    "three ops": (three, [X, W], (0, None)),
    "pointwise": (lambda x, v: x * v + 1, [X, V], 0),
    "scalars": (lambda v: v.sum() * 2, [V], 0),
    "matmul": (lambda x, y: x @ y, [X, Y], 0),
    "matrix and vector": (lambda x, v: x @ v, [X, V], 0),
    "constant matrix": (lambda v, w: v @ w, [V, W], (0, None)),
    "max": (lambda x: x.amax(1), [X], 0),
    "views": (lambda x: x.t().reshape(2, 6)[1], [X], 0),
    "expand": (lambda v: v.unsqueeze(0).expand(3, 4) * 2, [V], 0),
    "softmax": (lambda v: v.exp() / v.exp().sum(), [V], 0),
    "softmax of rows": (lambda x: x.softmax(0) + x.log_softmax(-1), [X], 0),
    "layer norm": (lambda x, v: rg.nn.functional.layer_norm(x, (4,), v, v), [X, V[0]], (0, None)),
    "where": (lambda v: rg.where(v > 0, v, -v), [V], 0),
    "a constant": (lambda v, w: w * 2, [V, W], (0, None)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_is_a_loop(name: str) -> None:
    f, arrays, in_dims = FUNCTIONS[name]
    tensors = [rg.tensor(a) for a in arrays]
    dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(arrays)
    want = [
        f(*(t if d is None else t[i] for t, d in zip(tensors, dims, strict=True))).numpy()
        for i in range(len(arrays[0]))
    ]
    np.testing.assert_allclose(vmap(f, in_dims)(*tensors).numpy(), np.stack(want), rtol=1e-12)


def test_dimensions() -> None:
    x = rg.tensor(X)
    got = vmap(lambda a: a * 2, in_dims=1, out_dims=2)(x)
    np.testing.assert_array_equal(got.numpy(), np.moveaxis(2 * X, 1, 2))
    got = vmap(lambda a: a.sum(), in_dims=-1)(x)
    np.testing.assert_allclose(got.numpy(), X.sum((0, 1)))


def test_several_outputs() -> None:
    a, b = vmap(lambda v: (v * 2, v.sum()))(rg.tensor(V))
    np.testing.assert_array_equal(a.numpy(), 2 * V)
    np.testing.assert_allclose(b.numpy(), V.sum(1))


def test_nested() -> None:
    a, b = rg.tensor(V[0]), rg.tensor(V[1])
    outer = vmap(vmap(lambda x, y: x * y, (None, 0)), (0, None))(a, b)
    np.testing.assert_allclose(outer.numpy(), np.outer(V[0], V[1]))


def test_gradients_flow_through() -> None:
    x, w = rg.tensor(X, requires_grad=True), rg.tensor(W, requires_grad=True)
    (vmap(three, (0, None))(x, w) ** 2).sum().backward()
    p, q = rg.tensor(X, requires_grad=True), rg.tensor(W, requires_grad=True)
    total = rg.stack([three(p[i], q) for i in range(5)])
    (total * total).sum().backward()
    for got, want in ((x.grad, p.grad), (w.grad, q.grad)):
        assert got is not None
        assert want is not None
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10)


def test_misuse() -> None:
    v = rg.tensor(V)
    with pytest.raises((ValueError, IndexError)):
        vmap(lambda x: x, in_dims=5)(v)
    with pytest.raises((ValueError, TypeError)):
        vmap(lambda x, y: x + y)(v, rg.ones(3))
    with pytest.raises((ValueError, TypeError)):
        vmap(lambda x: x, in_dims=(0, 0))(v)
    with pytest.raises((RuntimeError, ValueError)):
        vmap(lambda x: x.sum().item())(v)
    with pytest.raises((TypeError, ValueError)):
        vmap(lambda x: "text")(v)
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: 1 // 0)(v)
    # Whatever went wrong, the next call is not disturbed.
    assert (v * 2).shape == (5, 4)
    assert vmap(lambda x: x)(v).shape == (5, 4)


def test_an_empty_batch() -> None:
    assert vmap(lambda x: x.sum())(rg.zeros(0, 3)).shape == (0,)
