"""How results of elementwise operations lie in memory, and that nothing but speed depends on it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from retrograd import Tensor
from retrograd.nn import functional as F

RNG = np.random.default_rng(0)


def tensor(*shape: int) -> Tensor:
    return rg.tensor(RNG.uniform(0.5, 1.5, shape).astype(np.float32))


def lying(shape: tuple[int, ...], order: tuple[int, ...]) -> Tensor:
    """A tensor whose dimensions lie in an order, the outermost first."""
    return tensor(*(shape[d] for d in order)).permute(*np.argsort(order).tolist())


# (3, 4) unless it says otherwise.
T = lying((3, 4), (1, 0))
OTHER = lying((3, 4), (1, 0))
ROWS = tensor(3, 4)
CHANNELS_LAST = lying((2, 3, 4, 5), (0, 2, 3, 1))

KEEPS: dict[str, Callable[[], Tensor]] = {
    "a transposed one": lambda: T.exp(),
    "two that agree": lambda: T * OTHER,
    "three that agree": lambda: rg.where(T > 1, T, OTHER),
    "a number": lambda: 2 - T,
    "a tensor without dimensions": lambda: T / rg.tensor(2.0),
    "a row": lambda: T + ROWS[0],
    "a column": lambda: ROWS[:, :1] + T,
    "an expanded row": lambda: T + ROWS[0].expand(3, 4),
    "a cast": lambda: T.double(),
    "a comparison": lambda: T > OTHER,
    "an activation": lambda: F.gelu(T),
    "with gaps": lambda: lying((3, 8), (1, 0))[:, ::2].tanh(),
    "with gaps the other way": lambda: lying((6, 4), (1, 0))[::2] + T,
    "integers": lambda: rg.ones(4, 3, dtype=rg.int64).t() * 3,
    "half the precision": lambda: T.bfloat16().sigmoid().float(),
    "a chain": lambda: (T.tanh() * 2 + OTHER).relu().clamp(0.1, 1.0),
}
ROW_MAJOR: dict[str, Callable[[], Tensor]] = {
    "row-major ones": lambda: ROWS + ROWS,
    "two that disagree": lambda: ROWS + T,
    "two that disagree, turned round": lambda: T + ROWS,
    "repeated ones": lambda: ROWS[0].expand(3, 4) * ROWS[:, :1],
    "an outer product": lambda: ROWS[:, :1] * ROWS[0],
    "rows with gaps": lambda: tensor(3, 8)[:, ::2].exp(),
    "a copy": lambda: T.clone(),
    "contiguous()": lambda: T.contiguous(),
    "nothing": lambda: lying((0, 4), (1, 0)) + 1,
    "ones": lambda: lying((1, 4), (1, 0)) + 1,
    "a sum": lambda: lying((2, 3, 4), (2, 1, 0)).sum(1),
    "softmax": lambda: T.softmax(1),
}


@pytest.mark.parametrize("name", KEEPS)
def test_results_lie_as_their_operands_do(name: str) -> None:
    y = KEEPS[name]()
    assert y.stride() == (1, 3)
    assert not y.is_contiguous()
    assert y.numpy().flags.f_contiguous


@pytest.mark.parametrize("name", ROW_MAJOR)
def test_results_are_row_major_otherwise(name: str) -> None:
    assert ROW_MAJOR[name]().is_contiguous()


def test_more_dimensions_and_their_gaps() -> None:
    assert CHANNELS_LAST.exp().stride() == CHANNELS_LAST.stride() == (60, 1, 15, 3)
    assert (CHANNELS_LAST + tensor(3, 1, 1)).stride() == (60, 1, 15, 3)
    # The order stays, the gaps do not.
    assert CHANNELS_LAST[:, 1:, ::2].exp().stride() == (20, 1, 10, 2)
    # One more dimension in front than the operand has: it is repeated, so it has no say.
    assert (CHANNELS_LAST + rg.ones(1, 1, 1, 1, 1)).shape == (1, 2, 3, 4, 5)
    swapped = lying((1, 6, 5), (2, 0, 1))
    assert (swapped * 2).numpy().transpose(2, 0, 1).flags.c_contiguous


ORDERS: dict[int, list[tuple[int, ...]]] = {2: [(1, 0)], 3: [(2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)]}
ELEMENTWISE: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda x, y: x * y + x,
    lambda x, y: x.tanh(),
    lambda x, y: rg.where(x > y, y, x),
    lambda x, y: x**y,
]
READERS: list[Callable[[Tensor], Tensor]] = [
    lambda z: z,
    lambda z: z.sum(),
    lambda z: z.sum(0),
    lambda z: z.mean(-1),
    lambda z: z.argmax(),
    lambda z: z.softmax(-1),
    lambda z: z.log_softmax(0),
    lambda z: F.layer_norm(z, (z.shape[-1],)),
]


@pytest.mark.parametrize("shape", [(3, 4), (33, 70), (257, 300), (5, 6, 7), (40, 3, 50)])
@pytest.mark.parametrize("dtype", [rg.float32, rg.float64, rg.bfloat16])
def test_the_bits_are_those_of_row_major_operands(shape: tuple[int, ...], dtype: rg.DType) -> None:
    for order in ORDERS[len(shape)]:
        x, y = (lying(shape, order).to(dtype) for _ in range(2))
        for f in ELEMENTWISE:
            kept, plain = f(x, y), f(x.contiguous(), y.contiguous())
            assert kept.stride() == x.stride()
            for read in READERS:
                np.testing.assert_array_equal(read(kept).float().numpy(), read(plain).float().numpy())


def test_reshape_copies_and_view_says_why_it_cannot() -> None:
    y = T * 2
    np.testing.assert_array_equal(y.reshape(12).numpy(), T.contiguous().numpy().reshape(12) * 2)
    assert y.t().view(12).data_ptr() == y.data_ptr()
    with pytest.raises(RuntimeError, match="reshape"):
        y.view(12)


def test_products_take_them_as_they_are() -> None:
    y = T * 2
    np.testing.assert_array_equal((y @ ROWS.t()).numpy(), (y.contiguous() @ ROWS.t()).numpy())
    np.testing.assert_array_equal((ROWS.t() @ y).numpy(), (ROWS.t() @ y.contiguous()).numpy())


def test_in_place_stays_where_it_is() -> None:
    y = ROWS.clone()
    address = y.data_ptr()
    y.mul_(T)
    assert (y.data_ptr(), y.stride()) == (address, (4, 1))
    np.testing.assert_array_equal(y.numpy(), ROWS.numpy() * T.numpy())
    z = T * 1
    z += ROWS
    assert z.stride() == (1, 3)
    np.testing.assert_array_equal(z.numpy(), T.numpy() + ROWS.numpy())
    z.t().mul_(2)
    np.testing.assert_array_equal(z.numpy(), (T.numpy() + ROWS.numpy()) * 2)


@pytest.mark.parametrize("out", [rg.zeros(3, 3), rg.zeros(3, 3).t(), rg.zeros(3, 6)[:, ::2]])
def test_out_stays_as_it_lies(out: Tensor) -> None:
    strides = out.stride()
    (T * 2).matmul(ROWS.t(), out=out)
    assert out.stride() == strides
    np.testing.assert_array_equal(out.numpy(), (T * 2).contiguous().matmul(ROWS.t()).numpy())


# Of a leaf of shape (4, 3) and a weight of shape (3, 4).
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transposed": lambda x, w: (x.t() * w).tanh().sum(),
    "both ways": lambda x, w: (x.t().exp() + w.t().contiguous().t()).sigmoid().sum() + (x.t().sin() * w).sum(),
    "reshaped": lambda x, w: (x.t().tanh().reshape(2, 6).exp() * 2).sum() + w.t().exp().reshape(-1).sum(),
    "broadcast": lambda x, w: (x.t().exp() * w[0] + x.t()[:, :1]).square().mean(),
    "sliced": lambda x, w: (x.t().exp()[:, ::2] / w[:, 1::2]).log().sum(),
    "a product": lambda x, w: (x.t().tanh() @ (w.t() * 2)).tanh().sum(),
    "normalised": lambda x, w: (F.layer_norm(x.t().exp(), (4,)) * w).softmax(1).square().sum(),
    "activations": lambda x, w: (F.gelu(x.t()) * F.silu(x.t() * w.t().clone().t())).sum(),
    "in place": lambda x, w: x.t().neg().mul_(w).tanh().sum(),
    "another type": lambda x, w: (x.t().double().exp() * w.double()).sum().float(),
}


def _leaves() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(1)
    values = (rng.uniform(0.5, 1.5, shape).astype(np.float32) for shape in ((4, 3), (3, 4)))
    x, w = (rg.tensor(v, requires_grad=True) for v in values)
    return x, w


def _gradients(name: str, **how: Any) -> list[np.ndarray[Any, Any]]:
    """What two backwards add up to."""
    leaves = _leaves()
    for _ in range(2):
        LOSSES[name](*leaves).backward(**how)
    grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
    assert [g.is_contiguous() for g in grads] == [True, True] or "create_graph" in how
    return [g.detach().numpy() for g in grads]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_same_whatever_is_written_over(name: str) -> None:
    expected = _gradients(name, retain_graph=True)
    for grad, other in zip(_gradients(name), expected, strict=True):
        np.testing.assert_array_equal(grad, other)
    for grad, other in zip(_gradients(name, create_graph=True), expected, strict=True):
        np.testing.assert_allclose(grad, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "another type"])
def test_first_and_second_derivatives(name: str) -> None:
    check_gradients(LOSSES[name], [leaf.detach().numpy() for leaf in _leaves()])


def test_gradients_that_are_asked_for_may_lie_otherwise() -> None:
    x = tensor(4, 3).requires_grad_()
    y = x.t().exp()
    gy, gx = rg.autograd.grad((y * y).sum(), [y, x])
    assert gy.stride() == (1, 3)
    np.testing.assert_allclose(gx.numpy(), (gy * y.detach()).numpy().T, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_replay_gives_the_same_bits_and_strides(name: str) -> None:
    x, w = _leaves()

    def step(scale: Tensor) -> tuple[Tensor, Tensor]:
        x.grad = w.grad = None
        y = x.t().detach() * scale
        LOSSES[name](x, w).backward()
        return y, y.exp() + w.detach().t().clone().t()

    compiled = rg.compile(step)
    for scale in (tensor(3, 4), lying((3, 4), (1, 0)), tensor(1)):
        expected = [y.numpy() for y in step(scale)]
        gradients = [leaf.grad.numpy().copy() for leaf in (x, w) if leaf.grad is not None]
        for _ in range(3):
            for y, e in zip(compiled(scale), expected, strict=True):
                assert y.numpy().strides == e.strides
                np.testing.assert_array_equal(y.numpy(), e)
            for leaf, g in zip((x, w), gradients, strict=True):
                assert leaf.grad is not None
                np.testing.assert_array_equal(leaf.grad.numpy(), g)


@pytest.mark.parametrize("in_dim", [0, 1, 2])
@pytest.mark.parametrize("out_dim", [0, 1, 2])
def test_vmap(in_dim: int, out_dim: int) -> None:
    x = lying((3, 4, 5), (2, 0, 1))

    def f(x: Tensor) -> Tensor:
        return x.t().tanh() * 2 + rg.ones(x.shape[0])

    y = rg.vmap(f, in_dims=in_dim, out_dims=out_dim)(x)
    examples = [f(rg.tensor(np.take(x.numpy(), i, in_dim))).numpy() for i in range(x.shape[in_dim])]
    np.testing.assert_array_equal(y.numpy(), np.stack(examples, out_dim))


def test_what_is_pickled_is_the_values() -> None:
    y = T * 2
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(y)).numpy(), y.numpy())


def test_lists_and_items() -> None:
    y = T * 2
    assert y.tolist() == y.contiguous().tolist()
    assert y[1, 2].item() == y.contiguous()[1, 2].item()
    assert repr(y) == repr(y.contiguous())
    mask = y > 2
    np.testing.assert_array_equal(y[mask].numpy(), y.numpy()[mask.numpy()])
