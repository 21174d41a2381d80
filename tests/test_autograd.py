"""Gradients through the public interface: what is kept, what is freed, what is refused."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from retrograd import Tensor, nn
from retrograd.nn import functional as F


def leaf(*values: float) -> Tensor:
    return rg.tensor([float(v) for v in values], requires_grad=True)


# --- backward and grad ---


def test_backward_fills_the_gradients_of_leaves() -> None:
    a, b = leaf(1, 2), leaf(3, 4)
    ((a + b) * a).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.tolist() == [5, 8]
    assert b.grad.tolist() == [1, 2]


def test_gradients_accumulate_in_place() -> None:
    a = leaf(1, 2)
    (a * 3).sum().backward()
    first = a.grad
    (a * 4).sum().backward()
    assert a.grad is first
    assert first is not None
    assert first.tolist() == [7, 7]


def test_the_gradient_is_one_object() -> None:
    a = leaf(1.0)
    (a * 2).sum().backward()
    assert a.grad is a.grad


def test_a_tensor_used_twice_gets_both_gradients() -> None:
    a = leaf(3.0)
    b = a * a
    (b * b + b).sum().backward()
    assert a.grad is not None
    assert a.grad.item() == pytest.approx(4 * 27 + 6)


def test_backward_needs_a_scalar_or_a_gradient() -> None:
    a = leaf(1, 2)
    with pytest.raises(RuntimeError, match="one element"):
        (a * 2).backward()
    (a * 2).backward(rg.tensor([1.0, 10.0]))
    assert a.grad is not None
    assert a.grad.tolist() == [2, 20]


def test_backward_checks_the_shape_of_the_gradient() -> None:
    a = leaf(1, 2)
    with pytest.raises((RuntimeError, ValueError), match="shape"):
        (a * 2).backward(rg.ones(3))


def test_backward_without_a_graph_is_refused() -> None:
    with pytest.raises(RuntimeError, match="require"):
        rg.ones(1).sum().backward()


def test_backward_twice_needs_retain_graph() -> None:
    a = leaf(1, 2)
    loss = (a * a).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert a.grad is not None
    assert a.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="retain_graph"):
        loss.backward()


def test_grad_returns_and_does_not_accumulate() -> None:
    a, b = leaf(1, 2), leaf(3, 4)
    ga, gb = rg.autograd.grad((a * b).sum(), [a, b])
    assert (ga.tolist(), gb.tolist()) == ([3, 4], [1, 2])
    assert a.grad is None


def test_grad_of_an_intermediate_tensor() -> None:
    a = leaf(2.0)
    b = a * a
    (g,) = rg.autograd.grad((b * b).sum(), [b])
    assert g.item() == 8


def test_grad_of_several_outputs() -> None:
    a = leaf(1, 2)
    (g,) = rg.autograd.grad([a * 2, a * 3], [a], [rg.ones(2), rg.tensor([10.0, 100.0])])
    assert g.tolist() == [32, 302]


def test_allow_unused() -> None:
    a, b = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        rg.autograd.grad((a * 2).sum(), [a, b])
    ga, gb = rg.autograd.grad((a * 2).sum(), [a, b], allow_unused=True)
    assert ga.item() == 2
    assert gb is None


def test_create_graph_differentiates_the_gradient() -> None:
    x = leaf(2.0)
    y = x * x * x
    (first,) = rg.autograd.grad(y.sum(), [x], create_graph=True)
    (second,) = rg.autograd.grad(first.sum(), [x], create_graph=True)
    (third,) = rg.autograd.grad(second.sum(), [x])
    assert (first.item(), second.item(), third.item()) == (12, 12, 6)


def test_without_create_graph_the_gradient_is_a_constant() -> None:
    x = leaf(2.0)
    (g,) = rg.autograd.grad((x * x).sum(), [x])
    assert not g.requires_grad


def test_third_derivative_of_tanh() -> None:
    x = rg.tensor([0.3, -1.2], dtype=rg.float64, requires_grad=True)
    y = x.tanh()
    for _ in range(3):
        (y,) = rg.autograd.grad(y.sum(), [x], create_graph=True)
    t = np.tanh([0.3, -1.2])
    np.testing.assert_allclose(y.detach().numpy(), (1 - t**2) * (6 * t**2 - 2), rtol=1e-12)


@pytest.mark.parametrize("exponent", [0, 0.0, 1.0, 2.5, 3])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_derivatives_of_powers_of_zero(exponent: float, as_tensor: bool) -> None:
    x = rg.tensor([0.0, -0.0, 0.25, 0.5, 3.0], dtype=rg.float64, requires_grad=True)
    n = float(exponent)
    e: Any = rg.full((5,), n, dtype=rg.float64, requires_grad=True) if as_tensor else exponent
    (first,) = rg.autograd.grad((x**e).sum(), [x], create_graph=True)
    at = x.detach().numpy()
    np.testing.assert_allclose(first.detach().numpy(), n * at ** max(n - 1, 0), rtol=1e-12)
    (second,) = rg.autograd.grad(first.sum(), [x])
    np.testing.assert_allclose(second.numpy(), n * (n - 1) * at ** max(n - 2, 0), rtol=1e-12)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_derivatives_of_powers_of_zero_by_the_exponent(exponent: float) -> None:
    x = rg.tensor([0.0, 0.5, 3.0], dtype=rg.float64, requires_grad=True)
    e = rg.full((3,), exponent, dtype=rg.float64, requires_grad=True)
    to_base, to_exponent = rg.autograd.grad((x**e).sum(), [x, e], create_graph=True)
    at = x.detach().numpy()
    log = np.log(np.where(at > 0, at, 1.0))
    np.testing.assert_allclose(to_exponent.detach().numpy(), at**exponent * log, rtol=1e-12)
    (second,) = rg.autograd.grad(to_exponent.sum(), [e], retain_graph=True)
    np.testing.assert_allclose(second.numpy(), at**exponent * log**2, rtol=1e-12)
    # Mixed, whichever is first; at 0 itself it is not defined.
    want = at[1:] ** (exponent - 1) * (1 + exponent * log[1:])
    for first, then in ((to_base, e), (to_exponent, x)):
        (mixed,) = rg.autograd.grad(first.sum(), [then], retain_graph=True)
        np.testing.assert_allclose(mixed.numpy()[1:], want, rtol=1e-12)
        assert np.isfinite(mixed.numpy()).all()


def test_the_deviation_of_equal_elements_has_no_slope() -> None:
    x = rg.tensor([[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]], dtype=rg.float64, requires_grad=True)
    y = x.std(1)
    assert y[0].item() == 0
    (first,) = rg.autograd.grad(y.sum(), [x], create_graph=True)
    (second,) = rg.autograd.grad((first * first).sum(), [x])
    assert first[0].tolist() == second[0].tolist() == [0, 0, 0]
    check_gradients(lambda x: x.std(0), [x.detach().numpy()[1]], order=2)
    # The root itself has an infinite one, as everywhere.
    z = rg.zeros(1, requires_grad=True)
    z.sqrt().backward()
    assert z.grad is not None
    assert z.grad.item() == float("inf")


def test_integers_cannot_require_a_gradient() -> None:
    with pytest.raises((RuntimeError, TypeError), match="float"):
        rg.tensor([1, 2], requires_grad=True)


# --- leaves, detach, no_grad ---


def test_leaves() -> None:
    a = leaf(1.0)
    b = a * 2
    assert a.is_leaf
    assert a.grad_fn is None
    assert not b.is_leaf
    assert b.grad_fn is not None
    assert b.detach().is_leaf


def test_detach_shares_memory_and_not_history() -> None:
    a = leaf(1, 2)
    d = (a * 1).detach()
    assert not d.requires_grad
    e = a.detach()
    e.zero_()
    assert a.tolist() == [0, 0]


def test_retain_grad() -> None:
    a = leaf(2.0)
    b = a * a
    b.retain_grad()
    (b * 3).sum().backward()
    assert b.grad is not None
    assert b.grad.item() == 3


def test_retain_grad_twice_keeps_one_gradient() -> None:
    a = leaf(1, 2)
    b = a * 2
    b.retain_grad()
    b.retain_grad()
    (b * b).sum().backward()
    assert b.grad is not None
    assert b.grad.tolist() == [4, 8]


def test_retain_grad_stays_with_a_tensor_written_in_place() -> None:
    a = leaf(1, 2)
    b = a * 2
    b.retain_grad()
    b.mul_(3)
    (b * b).sum().backward()
    assert b.grad is not None
    assert b.grad.tolist() == [12, 24]


def test_retain_grad_stays_with_a_view_written_in_place() -> None:
    a = leaf(1, 2)
    b = a * 2
    view = b[:1]
    view.retain_grad()
    view.mul_(3)
    (b.sum() + (view * view).sum()).backward()
    assert view.grad is not None
    assert view.grad.tolist() == [12]


def test_no_grad_as_context_and_decorator() -> None:
    a = leaf(1.0)

    @rg.no_grad()
    def f(x: Tensor) -> Tensor:
        assert not rg.is_grad_enabled()
        return x * 2

    with rg.no_grad():
        assert not (a * 2).requires_grad
        with rg.enable_grad():
            assert (a * 2).requires_grad
    assert rg.is_grad_enabled()
    assert not f(a).requires_grad
    assert f.__name__ == "f"
    with pytest.raises(TypeError, match="parentheses|callable"):
        rg.no_grad(f)
    with pytest.raises(TypeError, match="callable"):
        rg.no_grad()(3)


def test_a_generator_is_decorated_step_by_step() -> None:
    @rg.no_grad()
    def numbers() -> Any:
        got = yield rg.is_grad_enabled()
        yield got, rg.is_grad_enabled()

    steps = numbers()
    assert next(steps) is False
    assert rg.is_grad_enabled()
    assert steps.send(5) == (5, False)
    assert list(steps) == []
    assert rg.is_grad_enabled()


def test_no_grad_is_left_by_an_exception() -> None:
    with pytest.raises(KeyError), rg.no_grad():
        raise KeyError
    assert rg.is_grad_enabled()


def test_set_grad_enabled() -> None:
    with rg.set_grad_enabled(False):
        assert not rg.is_grad_enabled()
    assert rg.is_grad_enabled()


def test_requires_grad_switches_on_leaves_only() -> None:
    a = rg.ones(2)
    assert a.requires_grad_() is a
    b = a * 2
    with pytest.raises(RuntimeError, match="leaf|leaves"):
        b.requires_grad_(False)


# --- a linear layer sends its gradient through the relu before it, where nobody sees it in between ---


def two_layers(dtype: rg.dtype = rg.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """An input of five rows, a bias of seven, and the weights of two layers, the second of three results."""
    random = np.random.default_rng(3)
    arrays = [random.standard_normal(shape).astype(np.float32) for shape in [(5, 4), (7,), (7, 4), (3, 7)]]
    x, bias, first, second = (rg.from_numpy(a).to(dtype).requires_grad_() for a in arrays)
    return x, bias, first, second


def grads_of(use: Callable[[Tensor, Tensor], Tensor], watch: bool, dtype: rg.dtype = rg.float32) -> list[Any]:
    """Gradients of a loss of what a relu made and the second layer's weight; watched, nothing is sent through."""
    x, bias, first, second = two_layers(dtype)
    hidden = F.relu(F.linear(x, first, bias))
    if watch:
        hidden.retain_grad()
    use(hidden, second).backward()
    return [t.grad.to(rg.float32).numpy() for t in (x, bias, first, second) if t.grad is not None]


def last_layer(hidden: Tensor, second: Tensor) -> Tensor:
    out = F.linear(hidden, second, rg.zeros(3, dtype=hidden.dtype))
    return (out * out).sum()


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64, rg.bfloat16])
@pytest.mark.parametrize(
    "use",
    [
        last_layer,
        lambda h, w: last_layer(h, w) + (h * 3.0).sum(),
        lambda h, w: (h * 3.0).sum() + last_layer(h, w),
        lambda h, w: last_layer(h, w) + last_layer(h, w * 2.0),
        lambda h, w: last_layer(h[1:], w),
        lambda h, w: last_layer(h.reshape(5, 1, 7), w),
        lambda h, w: last_layer(h, w.detach()),
    ],
    ids=["alone", "then used", "used before", "twice", "a part", "another shape", "a frozen weight"],
)
def test_what_is_sent_through_a_relu_has_the_same_bits(
    use: Callable[[Tensor, Tensor], Tensor], dtype: rg.dtype
) -> None:
    sent, seen = grads_of(use, False, dtype), grads_of(use, True, dtype)
    assert len(sent) == len(seen) >= 3
    for a, b in zip(sent, seen, strict=True):
        np.testing.assert_array_equal(a, b)


def test_whoever_looks_at_a_hidden_gradient_sees_all_of_it() -> None:
    def whole(hidden: Tensor, second: Tensor) -> Any:
        out = hidden.numpy() @ second.detach().numpy().T
        return 2 * out @ second.detach().numpy()

    x, bias, first, second = two_layers()
    hidden = F.relu(F.linear(x, first, bias))
    seen: list[Any] = []
    hidden.register_hook(lambda g: seen.append(g.numpy().copy()))
    (asked,) = rg.autograd.grad(last_layer(hidden, second), [hidden], retain_graph=True)
    hidden.retain_grad()
    last_layer(hidden, second).backward()
    want = whole(hidden.detach(), second)
    assert (hidden.detach().numpy() == 0).any()
    for got in [asked.numpy(), *seen, hidden.grad.numpy() if hidden.grad is not None else None]:
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_relu_can_be_sent_through_twice_where_the_graph_is_kept() -> None:
    x, bias, first, second = two_layers()
    loss = last_layer(F.relu(F.linear(x, first, bias)), second)
    loss.backward(retain_graph=True)
    assert first.grad is not None
    once = first.grad.numpy().copy()
    loss.backward()
    np.testing.assert_array_equal(first.grad.numpy(), once + once)


# --- hooks ---


def test_a_hook_sees_and_replaces_the_gradient() -> None:
    a = leaf(1, 2)
    seen: list[list[float]] = []
    b = a * 2
    b.register_hook(lambda g: seen.append(g.tolist()))
    b.register_hook(lambda g: g * 10)
    b.sum().backward()
    assert seen == [[1, 1]]
    assert a.grad is not None
    assert a.grad.tolist() == [20, 20]


def test_a_hook_on_a_leaf() -> None:
    a = leaf(1, 2)
    handle = a.register_hook(lambda g: g * 2)
    a.sum().backward()
    handle.remove()
    a.sum().backward()
    assert a.grad is not None
    assert a.grad.tolist() == [3, 3]


def test_a_leafs_hook_sees_the_sum_of_what_is_asked_for() -> None:
    a, b = leaf(1, 2), leaf(3, 4)
    seen: list[list[float]] = []

    def double(g: Tensor) -> Tensor:
        seen.append(g.tolist())
        return g * 2

    a.register_hook(double)
    b.register_hook(lambda g: pytest.fail("nobody asked for b's gradient"))
    (g,) = rg.autograd.grad((a * 3 + a * b).sum(), a)
    assert g.tolist() == [12, 14]
    (a * b).sum().backward(inputs=[a])
    assert a.grad is not None
    assert a.grad.tolist() == [6, 8]
    assert seen == [[6, 7], [3, 4]]


def test_a_leafs_hook_is_differentiated() -> None:
    a = leaf(2.0)
    a.register_hook(lambda g: g * g)
    (g,) = rg.autograd.grad(a**3, a, create_graph=True)
    assert g.item() == 144
    (second,) = rg.autograd.grad((g * 1).sum(), [a])
    assert second.item() == (9 * 4 * 2**3) ** 2


def test_a_hooks_exception_comes_out_of_backward() -> None:
    a = leaf(1.0)

    def hook(g: Tensor) -> None:
        raise LookupError("from the hook")

    b = a * 2
    b.register_hook(hook)
    with pytest.raises(LookupError, match="from the hook"):
        b.sum().backward()
    (a * 2).sum().backward()  # The next one is not disturbed.


def test_a_hook_may_run_backward() -> None:
    a, c = leaf(1.0), leaf(2.0)
    b = a * 2

    def hook(g: Tensor) -> None:
        with rg.enable_grad():
            (c * c).sum().backward()

    b.register_hook(hook)
    b.sum().backward()
    assert c.grad is not None
    assert c.grad.item() == 4


class Witness:
    """Something a weak reference can watch."""


def test_a_cycle_through_a_hook_is_collected() -> None:
    witness = Witness()
    a = leaf(1.0)
    b = a * 2

    def hook(g: Tensor, held: object = (b, witness)) -> None:
        pass

    b.register_hook(hook)
    watch = weakref.ref(witness)
    del witness, a, b, hook
    gc.collect()
    assert watch() is None


def test_a_cycle_through_a_leafs_hook_is_collected() -> None:
    witness = Witness()
    a = leaf(1.0)
    a.register_hook(lambda g, held=(a, witness): None)
    watch = weakref.ref(witness)
    del witness, a
    gc.collect()
    assert watch() is None


def test_a_cycle_through_a_kept_handle_is_collected() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.handle = self.layer.weight.register_hook(self.watch)

        def watch(self, g: Tensor) -> None:
            pass

    net = Net()
    watch = weakref.ref(net)
    del net
    gc.collect()
    assert watch() is None


def test_a_hook_is_taken_off_what_was_written_in_place_since() -> None:
    a = leaf(1.0)
    b = a * 2
    calls: list[int] = []
    handle = b.register_hook(lambda g: calls.append(1))
    b.mul_(3)
    handle.remove()
    b.backward()
    assert calls == []


def test_a_hook_lives_while_the_graph_does() -> None:
    a = leaf(1.0)
    calls: list[int] = []
    b = a * 2
    b.register_hook(lambda g: calls.append(1))
    c = b.sum()
    del b
    gc.collect()
    c.backward()
    assert calls == [1]


def test_garbage_collection_during_backward_is_harmless() -> None:
    a = leaf(1.0)
    y = a

    def collect(g: Tensor) -> None:
        gc.collect()

    for _ in range(50):
        y = y * 1.0
        y.register_hook(collect)
    y.sum().backward()
    assert a.grad is not None
    assert a.grad.item() == 1


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_linear_adds_to_the_gradients_there_are(dtype: rg.DType) -> None:
    # One op adds to both .grad in place: the same tensors afterwards, and the sum of both passes.
    rng = np.random.default_rng(0)
    weight, bias = (rg.tensor(rng.standard_normal(s), dtype=dtype, requires_grad=True) for s in ((5, 700), (5,)))
    x, g = (rg.tensor(rng.standard_normal(s), dtype=dtype) for s in ((9, 700), (9, 5)))
    F.linear(x, weight, bias).backward(g)
    assert weight.grad is not None
    assert bias.grad is not None
    first, objects = (weight.grad.clone(), bias.grad.clone()), (weight.grad, bias.grad)
    versions = [grad._version for grad in objects]
    F.linear(x, weight, bias).backward(2 * g)
    assert weight.grad is objects[0]
    assert bias.grad is objects[1]
    assert [grad._version for grad in objects] == [v + 1 for v in versions]
    for grad, once in zip(objects, first, strict=True):
        np.testing.assert_allclose(grad.numpy(), 3 * once.numpy(), rtol=1e-5 if dtype == rg.float32 else 1e-13)


def test_a_gradient_that_is_the_input_is_not_added_to_in_place() -> None:
    weight = rg.ones(3, 3, requires_grad=True)
    bias = rg.zeros(3, requires_grad=True)
    x = rg.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    weight.grad, bias.grad = x, rg.zeros(3)
    F.linear(x, weight, bias).sum().backward()
    assert x.tolist() == [[13, 17, 21], [16, 20, 24], [19, 23, 27]]
    assert bias.grad.tolist() == [3, 3, 3]


def test_a_weight_used_twice_gets_both_gradients() -> None:
    weight, bias = rg.ones(2, 2, requires_grad=True), rg.zeros(2, requires_grad=True)
    x = rg.tensor([[1.0, 2.0]])
    F.linear(F.linear(x, weight, bias), weight, bias).sum().backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.grad.tolist() == [[5, 7], [5, 7]]
    assert bias.grad.tolist() == [3, 3]
