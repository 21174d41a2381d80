"""The gradient checker is checked: wrong gradients are planted, and it must find each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from retrograd import Tensor

X = np.array([[0.5, -1.5, 0.75], [1.25, -0.4, 2.0]])
Y = np.array([[1.5, 0.7, -0.6]])


def test_right_gradients_pass() -> None:
    check_gradients(lambda x, y: (x * y).tanh().exp(), [X, Y], order=3)


def test_an_unused_argument_passes() -> None:
    check_gradients(lambda x, y: x * x, [X, Y])


Change = Callable[[Tensor], Tensor]


def hook(y: Tensor, change: Change) -> None:
    if y.requires_grad:
        y.register_hook(change)


def with_wrong_gradient(change: Change) -> Callable[[Tensor], Tensor]:
    def f(x: Tensor) -> Tensor:
        y = x.tanh()
        hook(y, change)
        return y

    return f


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scaled by one in ten thousand", lambda g: g * 1.0001),
        ("negated", lambda g: -g),
        ("zero", lambda g: g * 0.0),
        ("shifted by very little", lambda g: g + 1e-5),
        ("one element wrong", lambda g: g * one_wrong(g)),
    ],
)
def test_a_wrong_gradient_is_found(name: str, change: Change) -> None:
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        check_gradients(with_wrong_gradient(change), [X], order=1)


def one_wrong(g: Tensor) -> Tensor:
    factors = np.ones(tuple(g.shape))
    factors[1, 2] = 1.001
    return rg.tensor(factors)


def test_a_missing_sum_over_a_broadcast_is_found() -> None:
    def f(x: Tensor, y: Tensor) -> Tensor:
        # y's gradient flows through its first use of three only.
        parts = [x[0] * y[0], x[1] * y[0].detach()]
        return parts[0] + parts[1]

    with pytest.raises(AssertionError, match="gradient of argument 1"):
        check_gradients(f, [X, Y], order=1)


def test_a_wrong_second_derivative_is_found() -> None:
    """The value and the first derivative are those of x*x; the second is 0, not 2."""

    def f(x: Tensor) -> Tensor:
        fixed = x.detach()
        return fixed * x * 2 - fixed * fixed

    check_gradients(f, [X], order=1)
    with pytest.raises(AssertionError, match="derivative of the"):
        check_gradients(f, [X], order=2)


def test_a_gradient_cut_from_its_history_is_found() -> None:
    """A backward that detaches what it saved has right first derivatives only."""

    def f(x: Tensor) -> Tensor:
        y = x * 1.0
        hook(y, lambda g: g * (2 * x.detach()))
        # d/dx is 2x through the hook; the forward value agrees with x*x.
        return y + (x * x - x).detach()

    check_gradients(f, [X], order=1)
    with pytest.raises(AssertionError, match="derivative of the"):
        check_gradients(f, [X], order=2)
