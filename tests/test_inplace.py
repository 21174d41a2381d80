"""In-place operations: versions, views, and the errors that protect a gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from retrograd import Tensor

X = np.array([[0.5, -1.5, 0.75], [1.25, -0.4, 2.0]])
ROW = np.array([1.5, 0.7, -0.6])


def test_in_place_operators_keep_the_object() -> None:
    a = rg.ones(3)
    b = a
    b += 2
    b *= 3
    b -= 1
    b /= 4
    assert b is a
    assert a.tolist() == [2, 2, 2]


def test_in_place_methods_return_self() -> None:
    a = rg.ones(3)
    assert a.add_(1).mul_(2).sub_(1).div_(3) is a
    assert a.tolist() == [1, 1, 1]
    assert a.fill_(7).tolist() == [7, 7, 7]
    assert a.zero_().tolist() == [0, 0, 0]
    assert a.copy_(rg.tensor([1, 2, 3])).tolist() == [1, 2, 3]


def test_the_version_counts_writes() -> None:
    a = rg.ones(3)
    before = a._version
    a.add_(1)
    a[0] = 5
    assert a._version == before + 2
    assert a[1:]._version == a._version


def test_gradients_through_in_place_ops() -> None:
    def f(x: Tensor, row: Tensor) -> Tensor:
        y = x * 2
        y += row
        y *= row
        y /= 3
        return y

    check_gradients(f, [X, ROW])


def test_gradients_through_a_write_into_a_view() -> None:
    def f(x: Tensor, row: Tensor) -> Tensor:
        y = x * 2
        y[1] = row * row
        return y * y

    check_gradients(f, [X, ROW])


def test_gradients_through_in_place_ops_on_views_of_views() -> None:
    def f(x: Tensor, row: Tensor) -> Tensor:
        y = x * 2
        view = y.t()[1:]
        view *= 3
        view[0] += row[:2]
        return (y * y).t()

    check_gradients(f, [X, ROW])


OVERLAPPING: list[tuple[str, Callable[[Tensor], tuple[Tensor, Tensor]]]] = [
    ("itself", lambda y: (y, y)),
    ("a view of all", lambda y: (y, y.view(2, 3))),
    ("a row of it", lambda y: (y, y[0])),
    ("an element", lambda y: (y, y[1, 2])),
    ("shifted", lambda y: (y[:, 1:], y[:, :-1])),
    ("turned", lambda y: (y[:, :2], y[:, 1:].t())),
    ("side by side", lambda y: (y[0], y[1])),
]


@pytest.mark.parametrize("op", [Tensor.mul_, Tensor.div_])
@pytest.mark.parametrize("operands", [o for _, o in OVERLAPPING], ids=[name for name, _ in OVERLAPPING])
def test_gradients_where_the_other_operand_shares_the_memory(
    op: Callable[[Tensor, Tensor], Tensor], operands: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> None:
    def f(x: Tensor, row: Tensor) -> Tensor:
        y = x * row
        op(*operands(y))
        return y

    check_gradients(f, [X, ROW])


def test_a_factor_outside_the_graph_that_shares_the_memory_is_a_constant() -> None:
    x = rg.tensor([2.0, 3.0], requires_grad=True)
    y = x * 1
    y *= y.detach()
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 3]


def test_a_leaf_that_shares_the_memory_is_what_it_was() -> None:
    x = rg.tensor([2.0, 3.0], requires_grad=True)
    y = x * 1
    factor = y.detach().requires_grad_()
    y *= factor
    (g,) = rg.autograd.grad(y.sum(), [x], create_graph=True)
    assert g.tolist() == [2, 3]
    (g,) = rg.autograd.grad(g.sum(), [factor])
    assert g.tolist() == [1, 1]


def test_a_view_made_before_sees_the_write_and_its_gradient() -> None:
    def f(x: Tensor, row: Tensor) -> Tensor:
        y = x * 2
        first = y[0]
        y *= row
        return first * first

    check_gradients(f, [X, ROW])


def test_copy_into_a_whole_tensor_cuts_its_history() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.copy_(rg.ones(2))
    y = y * x
    (g,) = rg.autograd.grad(y.sum(), [x])
    assert g.tolist() == [1, 1]
    z = rg.ones(2)
    z.copy_(x)
    (g,) = rg.autograd.grad((z * z).sum(), [x])
    assert g.tolist() == [2, 4]


def test_filling_cuts_the_gradient() -> None:
    def f(x: Tensor) -> Tensor:
        y = x * x
        y[0].fill_(3)
        return y * 2

    check_gradients(f, [X])


@pytest.mark.parametrize("op", ["tanh", "exp"])
def test_overwriting_an_output_that_backward_needs_names_the_op(op: str) -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = getattr(x, op)()
    y.add_(1)
    with pytest.raises(RuntimeError, match=op):
        y.sum().backward()


def test_overwriting_an_operand_that_backward_needs_names_the_op() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    w = rg.tensor([3.0, 4.0])
    y = x * w
    w.add_(1)
    with pytest.raises(RuntimeError, match="mul"):
        y.sum().backward()


def test_overwriting_through_a_view_is_noticed_too() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    w = rg.tensor([3.0, 4.0])
    y = x * w
    w[0] = 0.0
    with pytest.raises(RuntimeError, match="mul"):
        y.sum().backward()


def test_overwriting_what_backward_does_not_need_is_fine() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x + 1
    y.add_(1)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1]


def test_a_leaf_that_requires_a_gradient_is_protected() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 1.0
    with rg.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 3]


def test_writing_into_an_expanded_view_is_an_error() -> None:
    x = rg.ones(3, 1).expand(3, 4)
    with pytest.raises(RuntimeError, match="expand"):
        x.add_(1)


def test_overlapping_arrays_are_read_before_they_are_written() -> None:
    """Tensors on one array's memory have storages of their own."""
    n = 100_001
    a = np.arange(n, dtype=np.float32)
    x = rg.from_numpy(a)
    want = a.copy()
    want[1:] += want[:-1].copy()
    x[1:] += a[:-1]
    np.testing.assert_array_equal(a, want)
    want[1:] = want[:-1].copy()
    x[1:] = a[:-1]
    np.testing.assert_array_equal(a, want)
    m = np.arange(400.0).reshape(20, 20)
    want = m @ m
    rg.matmul(rg.from_numpy(m), rg.from_numpy(m), out=rg.from_numpy(m))
    np.testing.assert_allclose(m, want, rtol=1e-12)


def test_gradients_through_a_write_into_an_expanded_view_that_repeats_nothing() -> None:
    def f(x: Tensor, row: Tensor) -> Tensor:
        y = x * 2
        y.expand(1, 2, 3)[0, 1] *= row
        return y * y

    check_gradients(f, [X, ROW])


def test_what_cannot_be_written_is_not_overwritten() -> None:
    x = rg.tensor([2.0], requires_grad=True)
    y = x * 1
    with pytest.raises(RuntimeError, match="expand"):
        y.expand(3)[:1].mul_(5)
    assert y.tolist() == [2]
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1]


def test_partial_overlap_reads_before_it_writes() -> None:
    x = rg.arange(6, dtype=rg.float32)
    x[1:] += x[:-1]
    assert x.tolist() == [0, 1, 3, 5, 7, 9]
    y = rg.arange(6, dtype=rg.float32)
    y[1:] = y[:-1]
    assert y.tolist() == [0, 0, 1, 2, 3, 4]


def test_transposing_into_itself() -> None:
    x = rg.arange(9, dtype=rg.float32).reshape(3, 3)
    want = x.numpy().T.copy()
    x.copy_(x.t())
    np.testing.assert_array_equal(x.numpy(), want)


def test_in_place_keeps_the_dtype() -> None:
    x = rg.ones(2, dtype=rg.int64)
    with pytest.raises((RuntimeError, TypeError)):
        x.add_(0.5)
    x += 1
    assert x.dtype == rg.int64


def test_in_place_keeps_the_shape() -> None:
    x = rg.ones(2)
    with pytest.raises((RuntimeError, ValueError), match="shape|broadcast"):
        x.add_(rg.ones(3, 2))


def test_data_shares_memory_and_not_versions() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.data.mul_(10)
    assert x.tolist() == [10, 20]
    y.sum().backward()  # As in torch: what is done to .data is the user's affair.
    x.data = rg.tensor([3.0, 4.0])
    assert x.tolist() == [3, 4]
    assert x.requires_grad
