"""Backward writes over gradients and saved values that die, and over nothing that anybody can still see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.programs import run

DEEP = """
    import sys
    import retrograd as rg
    from retrograd.nn import functional as F

    ops = {
        "tanh": rg.tanh, "sigmoid": rg.sigmoid, "exp": lambda y: rg.exp(-y), "sin": rg.sin, "cos": rg.cos,
        "erf": rg.erf, "silu": F.silu, "gelu": F.gelu, "softplus": F.softplus, "elu": F.elu,
        "sqrt": lambda y: rg.sqrt(y + 2.0),
        "log1p": lambda y: rg.log1p(y * 0.5), "div": lambda y: 3.0 / (y + 2.0), "power": lambda y: (y + 2.0) ** 0.5,
    }
    op = ops[sys.argv[1]]
    x = rg.rand(1 << 18).requires_grad_()
    y = x
    for _ in range(12):
        y = op(y)
    y = y.sum()
    before = rg.memory_stats()
    assert before["peak"] <= before["live"] + 3 * (1 << 20), "the forward pass must not hide what backward takes"
    y.backward()
    print(rg.memory_stats()["peak"] - max(before["live"], before["peak"]))
"""


@pytest.mark.parametrize(
    "op", ["tanh", "sigmoid", "exp", "sin", "cos", "erf", "silu", "gelu", "softplus", "elu", "sqrt"]
)
def test_backward_of_a_deep_chain_takes_no_memory_for_gradients_and_temporaries(op: str) -> None:
    # A buffer is a megabyte; one constant and the like are a few cache lines.
    assert int(run(DEEP, op)) < 100_000


@pytest.mark.parametrize("op", ["log1p", "div", "power"])
def test_backward_of_a_deep_chain_takes_a_few_buffers(op: str) -> None:
    # Two operands of one op are both still needed while the other's gradient is computed.
    assert int(run(DEEP, op)) < 3.1 * (1 << 20)


WEIGHT = rg.tensor(np.linspace(0.5, 1.5, 12, dtype=np.float32).reshape(3, 4))


@dataclass
class Held:
    """What somebody still sees when backward has run.

    Attributes:
        values: tensors and arrays that backward must not change.
        retained: tensors whose gradients are kept.
        seen: gradients that hooks have seen, with copies of what they were then.
    """

    values: list[Any] = field(default_factory=list)
    retained: list[rg.Tensor] = field(default_factory=list)
    seen: list[tuple[rg.Tensor, rg.Tensor]] = field(default_factory=list)


# What is computed from a leaf.
PROGRAMS: dict[str, Callable[[rg.Tensor, Held], rg.Tensor]] = {}


def program(f: Callable[[rg.Tensor, Held], rg.Tensor]) -> Callable[[rg.Tensor, Held], rg.Tensor]:
    PROGRAMS[f.__name__] = f
    return f


@program
def one_gradient_for_two_operands(x: rg.Tensor, held: Held) -> rg.Tensor:
    return (x.tanh() + x.sigmoid()).exp().sum()


@program
def one_tensor_twice(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.tanh()
    return (y * y + y / (y * y + 1.0)).sum()


@program
def what_the_user_holds(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.tanh()
    held.values.append(y)
    return (y.exp() * WEIGHT).sum()


@program
def a_view_of_what_was_saved(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.tanh()
    held.values.append(y[1:])
    return y.sigmoid().sum()


@program
def a_view_is_saved(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.exp()
    held.values.append(y.detach())
    return (y.reshape(4, 3).tanh()[1:] * y.t()[1:]).sin().sum()


@program
def a_numpy_array_of_what_was_saved(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.tanh()
    held.values.append(y.detach().numpy())
    return y.sigmoid().sum()


@program
def a_numpy_array_as_operand(x: rg.Tensor, held: Held) -> rg.Tensor:
    array = np.linspace(1, 2, 12, dtype=np.float32).reshape(3, 4)
    held.values.append(array)
    return (x * rg.from_numpy(array)).sum()


@program
def a_hook_keeps_the_gradient(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.exp()
    y.register_hook(lambda grad: held.seen.append((grad, grad.clone())))
    return y.tanh().tanh().sum()


@program
def a_hook_gives_an_array_of_its_own(x: rg.Tensor, held: Held) -> rg.Tensor:
    array = np.full((3, 4), 0.5, np.float32)
    held.values.append(array)
    y = x.exp()
    y.register_hook(lambda grad: rg.from_numpy(array))
    return y.tanh().sum()


@program
def retained_gradients(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x.exp()
    y.retain_grad()
    z = y.tanh()
    z.retain_grad()
    held.retained = [y, z]
    return (z * WEIGHT).sum()


@program
def expanded_gradients(x: rg.Tensor, held: Held) -> rg.Tensor:
    return (x.exp().sum(1, keepdim=True).tanh() * x.mean(0).exp()).mean()


@program
def broadcast_operands(x: rg.Tensor, held: Held) -> rg.Tensor:
    row, column = x[0].exp(), x[:, :1].tanh()
    return (row * column - row / (column + 3.0)).sum()


@program
def written_in_place(x: rg.Tensor, held: Held) -> rg.Tensor:
    y = x * 2.0
    y[1:].mul_(WEIGHT[1:])
    held.values.append(y)
    return (y.tanh() * y).sum()


def _numbers(value: Any) -> Any:
    return value.detach().numpy().copy() if isinstance(value, rg.Tensor) else value.copy()


def _gradients(name: str, **how: Any) -> list[Any]:
    x = rg.tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)
    held = Held()
    y = PROGRAMS[name](x, held)
    before = [_numbers(value) for value in held.values]
    y.backward(**how)
    grads = [_numbers(t.grad) for t in [x, *held.retained]]
    if how.get("retain_graph"):
        x.grad = None
        y.backward()
        np.testing.assert_array_equal(_numbers(x.grad), grads[0])
    for old, value in zip(before, held.values, strict=True):
        np.testing.assert_array_equal(_numbers(value), old)
    for grad, then in held.seen:
        np.testing.assert_array_equal(_numbers(grad), _numbers(then))
    return grads


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bits_are_those_of_a_backward_that_writes_over_nothing(name: str) -> None:
    expected = _gradients(name, create_graph=True)
    for how in ({}, {"retain_graph": True}):
        for grad, other in zip(_gradients(name, **how), expected, strict=True):
            np.testing.assert_array_equal(grad, other)


def test_a_gradient_that_is_passed_in_stays() -> None:
    x = rg.ones(5, requires_grad=True)
    gradient = rg.full((5,), 2.0)
    x.tanh().tanh().backward(gradient)
    assert gradient.tolist() == [2.0] * 5


def test_gradients_that_are_returned_stay() -> None:
    x = rg.ones(5, requires_grad=True)
    y = x.exp()
    z = y.tanh()
    (gy, gx) = rg.autograd.grad(z.sum(), [y, x])
    np.testing.assert_allclose(gx.numpy(), gy.numpy() * np.exp(1), rtol=1e-6)


def test_values_saved_before_a_recording_stay_for_its_replays() -> None:
    x = rg.ones(5, requires_grad=True)
    hidden = x.exp()

    def step(scale: rg.Tensor) -> rg.Tensor | None:
        x.grad = None
        (hidden.tanh() * scale).sum().backward(retain_graph=True)
        return x.grad

    eager = _numbers(step(rg.full((5,), 3.0)))
    compiled = rg.compile(step)
    for _ in range(3):
        np.testing.assert_array_equal(_numbers(compiled(rg.full((5,), 3.0))), eager)


def test_an_array_that_a_leafs_hook_gives_is_not_added_to() -> None:
    x = rg.ones(3, requires_grad=True)
    array = np.ones(3, np.float32)
    x.register_hook(lambda grad: rg.from_numpy(array))
    for _ in range(2):
        (x * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0] * 3
    assert array.tolist() == [1.0] * 3
