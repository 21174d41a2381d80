"""A replay does what the step would do: whatever shares memory, is made inside, or is returned."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import retrograd as rg
from retrograd import Tensor, nn, optim


class Pair(NamedTuple):
    total: Tensor
    twice: Tensor


def test_an_argument_that_is_part_of_a_tensor_from_outside() -> None:
    data = rg.arange(1000.0)
    f = rg.compile(lambda x: x.sum() * 0 + data.sum())
    for x in (data[:10], rg.ones(10), data[5:15]):
        assert f(x).item() == 499500
    buffer = rg.zeros(1000)
    g = rg.compile(lambda x: buffer.add_(x[0]).sum())
    for i, x in enumerate((buffer[:4], rg.ones(4), rg.ones(4))):
        assert g(x).item() == 1000 * i
    w = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    h = rg.compile(lambda x: (w.detach() * x).sum())
    assert [h(w.detach()).item(), h(rg.ones(3)).item()] == [14, 6]


def test_arguments_that_share_memory() -> None:
    """Whether an op may write straight away depends on where its operands lie: it is asked of every call."""
    n = 100_001
    f = rg.compile(lambda a, b: a.add_(b).sum())
    buffer = rg.arange(float(n + 1))
    want = buffer.numpy().copy()
    want[1:] += want[:-1].copy()
    assert f(rg.ones(n), rg.ones(n)).item() == 2 * n
    f(buffer[1:], buffer[:-1])
    np.testing.assert_array_equal(buffer.numpy(), want)
    assert f(rg.ones(n), rg.ones(n)).item() == 2 * n
    x = rg.ones(3)
    assert f(x, x).item() == 6
    outside = rg.ones(n + 1)
    g = rg.compile(lambda b: outside[1:].add_(b).sum())
    g(rg.ones(n))
    outside.fill_(1)
    g(outside[:-1])
    assert outside.tolist() == [1.0] + [2.0] * n


def test_an_argument_that_is_returned_or_overwritten() -> None:
    f = rg.compile(lambda x: x.view(-1))
    g = rg.compile(lambda x: x.mul_(2))
    for _ in range(3):
        x = rg.ones(2, 2)
        f(x)[0] = 5
        assert g(x).tolist() == x.tolist() == [[10, 2], [2, 2]]


def test_what_is_saved_and_overwritten_is_an_error_as_without_compiling() -> None:
    w = rg.ones(3, requires_grad=True)
    outside = rg.ones(3)

    def step(read: Tensor, written: Tensor) -> Tensor:
        w.grad = None
        loss = (w * read).sum()
        written.add_(1)
        loss.backward()
        assert w.grad is not None
        return w.grad.clone()

    x = rg.ones(3)
    for warm_up in (False, True):
        f, g = rg.compile(step), rg.compile(lambda x: step(outside, x))
        if warm_up:
            f(rg.ones(3), rg.ones(3))
            g(rg.ones(3))
        with pytest.raises(RuntimeError, match="overwritten"):
            f(x, x)
        with pytest.raises(RuntimeError, match="overwritten"):
            g(outside)


def test_what_a_failed_call_overwrote_is_missed_by_the_graph() -> None:
    w = rg.ones(3, requires_grad=True)
    table = rg.ones(4, 3)

    def fail(a: Tensor) -> None:
        a.add_(1)
        raise KeyError

    x = rg.ones(3)
    loss = (w * x).sum()
    with pytest.raises(KeyError):
        rg.compile(fail)(x)
    with pytest.raises(RuntimeError, match="overwritten"):
        loss.backward()
    pick = rg.compile(lambda a, i: (a.add_(1), table[i])[1])
    pick(x, rg.tensor([0]))
    loss = (w * x).sum()
    with pytest.raises(IndexError):
        pick(x, rg.tensor([9]))
    with pytest.raises(RuntimeError, match="overwritten"):
        loss.backward()


def test_memory_met_in_the_same_way_is_recorded_once() -> None:
    n = 1000
    f = rg.compile(lambda a, b: a.add_(b).sum())
    for i in range(5):
        x = rg.ones(n)
        assert f(x, x).item() == 2 * n
        y = rg.full((n,), float(i))
        assert f(x, y).item() == (2 + i) * n
        assert f(y, rg.ones(n)).item() == (i + 1) * n
    assert len(f) == 1
    buffer = rg.ones(n)
    g = rg.compile(lambda a: buffer.add_(a).sum())
    for i in range(1, 5):
        assert g(buffer).item() == 2**i * n
    assert len(g) == 1


def test_an_argument_is_not_made_to_require_a_gradient() -> None:
    with pytest.raises(NotImplementedError, match="detach"):
        rg.compile(lambda x: (x.requires_grad_() * 2).sum().detach())(rg.ones(2))

    @rg.compile
    def slope(x: Tensor) -> Tensor:
        y = x.detach().requires_grad_()
        (y * y).sum().backward()
        assert y.grad is not None
        return y.grad.clone()

    for i in range(3):
        assert slope(rg.full((2,), float(i))).tolist() == [2 * i, 2 * i]


def test_an_overwritten_argument_is_missed_by_the_graph() -> None:
    f = rg.compile(lambda x: x.mul_(2))
    w = rg.ones(2, requires_grad=True)
    for _ in range(2):
        x = rg.ones(2)
        y = (w * x).sum()
        f(x)
        with pytest.raises(RuntimeError, match="in place|overwritten"):
            y.backward()


@pytest.mark.parametrize(
    "make",
    [
        lambda: rg.arange(3.0),
        lambda: rg.as_tensor(0.0).expand(3).clone(),
        lambda: rg.tensor([0.0, 1.0, 2.0]),
        lambda: rg.zeros(3),
        lambda: rg.full((3,), 2.0),
    ],
)
def test_what_is_made_inside_is_made_anew(make: Any) -> None:
    f, g = rg.compile(lambda x: make().add_(x)), rg.compile(lambda x: make())
    want = make()
    for i in range(3):
        assert f(rg.full((3,), float(i))).tolist() == (want + i).tolist()
        got = g(rg.ones(1))
        assert got.tolist() == want.tolist()
        got.add_(5)


def test_constants_that_others_hold_are_made_anew() -> None:
    p = nn.Parameter(rg.ones(3))
    optimizer = optim.SGD([p], lr=1.0)

    @rg.compile
    def step() -> None:
        optimizer.zero_grad()
        p.grad = rg.arange(3.0)
        optimizer.step()

    for i in range(1, 4):
        step()
        assert p.grad is not None
        p.grad.fill_(100)
        assert p.tolist() == [1, 1 - i, 1 - 2 * i]

    @rg.compile
    def both() -> Tensor:
        p.grad = rg.arange(3.0)
        return p.grad

    for _ in range(3):
        result = both()
        assert p.grad is not None
        assert result.tolist() == p.grad.tolist() == [0, 1, 2]
        p.grad.fill_(9)
    held: list[Tensor] = []

    @rg.compile
    def f(x: Tensor) -> Tensor:
        held.append(rg.arange(3.0))
        return x * held[-1]

    for _ in range(3):
        assert f(rg.ones(3)).tolist() == [0, 1, 2]
        held[0].fill_(9)


def test_lists_made_tensors_inside() -> None:
    f = rg.compile(lambda x: rg.as_tensor([1.0, 2.0]))
    g = rg.compile(lambda x: rg.as_tensor([1.0, 2.0]).add_(x))
    for _ in range(3):
        f(rg.ones(2)).fill_(9)
        assert f(rg.ones(2)).tolist() == [1, 2]
        assert g(rg.ones(2)).tolist() == [2, 3]


def test_a_single_value_made_inside() -> None:
    f = rg.compile(lambda x: rg.as_tensor(0.0).add_(x.sum()))
    assert [f(rg.full((3,), float(i))).item() for i in range(4)] == [0, 3, 6, 9]


def test_an_array_shared_inside_is_not_written() -> None:
    f = rg.compile(lambda x: rg.from_numpy(np.ones(3, np.float32)).add_(x))
    with pytest.raises(NotImplementedError, match="NumPy"):
        f(rg.ones(3))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: rg.randn(2),
        lambda: rg.rand(2),
        lambda: rg.empty(2).normal_(),
        lambda: rg.empty(3, 2).t().uniform_(),
        lambda: rg.zeros(2).uniform_(1, 2),
    ],
)
def test_random_results_are_fresh(draw: Any) -> None:
    f = rg.compile(draw)
    rg.manual_seed(3)
    want = [draw().tolist() for _ in range(4)]
    rg.manual_seed(3)
    results = [f() for _ in range(4)]
    assert [r.tolist() for r in results] == want


def test_random_numbers_are_not_seeded_inside() -> None:
    for change in (lambda: rg.manual_seed(1), lambda: rg.set_rng_state((1, 2))):
        with pytest.raises(RuntimeError, match="compiled step"):
            rg.compile(lambda x, change=change: (change(), x + rg.rand(1))[1])(rg.ones(1))


def test_values_of_tensors_from_outside_are_not_baked_in() -> None:
    p = nn.Parameter(rg.tensor([2.0]))
    looks = [lambda: float(p.detach()), lambda: p.tolist(), lambda: bool(p.detach()), lambda: p.detach().numpy()]
    for look in looks:
        with pytest.raises(RuntimeError, match="compiled step"):
            rg.compile(lambda x, look=look: (look(), x * p)[1])(rg.ones(1))


def test_named_tuples_and_ordered_dictionaries() -> None:
    f = rg.compile(lambda p: Pair(p.total + p.twice, p.twice * 2))
    g = rg.compile(lambda x: OrderedDict(b=x + 1, a=x))
    for i in range(3):
        x = rg.tensor([float(i)])
        result = f(Pair(x, x + 1))
        assert isinstance(result, Pair)
        assert (result.total.item(), result.twice.item()) == (2 * i + 1, 2 * i + 2)
        both = g(x)
        assert isinstance(both, OrderedDict)
        assert [(k, v.item()) for k, v in both.items()] == [("b", i + 1), ("a", i)]


def test_returned_objects_that_may_hold_tensors_are_refused() -> None:
    @dataclass
    class Result:
        loss: Tensor

    with pytest.raises(TypeError, match="Result"):
        rg.compile(lambda x: Result(x.sum()))(rg.ones(2))


def test_values_that_cannot_be_compared_are_other_values() -> None:
    @dataclass
    class Settings:
        scale: Tensor

    f = rg.compile(lambda x, s: x * s.scale)
    assert f(rg.ones(2), Settings(rg.full((2,), 2.0))).tolist() == [2, 2]
    assert f(rg.ones(2), Settings(rg.full((2,), 3.0))).tolist() == [3, 3]
    g = rg.compile(lambda x, by: x / by)
    for number in (float, np.float64):
        assert [g(rg.ones(1), number(by)).item() for by in (0.0, -0.0, 0.0)] == [np.inf, -np.inf, np.inf]
    h = rg.compile(lambda x, d: x + (1 if type(next(iter(d))) is bool else 2))
    assert [h(rg.ones(1), d).item() for d in ({1: 0}, {True: 0})] == [3, 2]


def test_compiled_functions_under_vmap() -> None:
    f = rg.compile(lambda x: x * 2)
    both = rg.vmap(f)
    x = rg.arange(6.0).reshape(3, 2)
    for i in range(3):
        assert both(x + i).tolist() == ((x + i) * 2).tolist()
        assert f(x + i).tolist() == ((x + i) * 2).tolist()


def test_cycles_through_compiled_and_batched_functions_are_collected() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.compiled = rg.compile(lambda x, model: x * 2)
            self.batched = rg.vmap(self.once)

        def once(self, x: Tensor) -> Tensor:
            return x + 1

    model = Model()
    model.compiled(rg.ones(1), model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_gradients_of_a_step_that_keeps_an_argument() -> None:
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @rg.compile
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        model.weight.grad = x
        optimizer.step()
        return x.sum()

    with pytest.raises(NotImplementedError, match="clone"):
        step(rg.ones(1, 2))
