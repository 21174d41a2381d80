"""A recorded step replays to the same bits as the step itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from retrograd import Tensor, nn, optim
from retrograd.nn import functional as F

Step = Callable[..., Any]
STEPS = 100
RNG = np.random.default_rng(0)
X = RNG.standard_normal((STEPS, 16, 6)).astype(np.float32)
Y = RNG.integers(0, 3, (STEPS, 16))


class Trainer:
    """A model, its optimizer, and one training step."""

    def __init__(self, make: Callable[[Any], Any], dropout: float = 0.0, set_to_none: bool = True) -> None:
        rg.manual_seed(7)
        self.net = nn.Sequential(
            nn.Linear(6, 20), nn.Tanh(), nn.Dropout(dropout), nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 3)
        )
        self.optimizer = make(self.net.parameters())
        self.set_to_none = set_to_none

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad(self.set_to_none)
        loss = F.cross_entropy(self.net(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def run(self, step: Step, steps: range = range(STEPS)) -> list[bytes]:
        """The bits of every loss, and of the parameters at the end."""
        bits = [step(rg.tensor(X[i]), rg.tensor(Y[i])).numpy().tobytes() for i in steps]
        return bits + [p.detach().numpy().tobytes() for p in self.net.parameters()]


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=3e-3),
    "adamw": lambda p: optim.AdamW(p, lr=3e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_replay_is_eager(name: str, dropout: float) -> None:
    eager, compiled = (Trainer(OPTIMIZERS[name], dropout) for _ in range(2))
    rg.manual_seed(11)
    want = eager.run(eager.step)
    rg.manual_seed(11)
    got = compiled.run(rg.compile(compiled.step))
    assert got == want
    if dropout:
        assert len(set(want)) == len(want)


def test_gradients_set_to_zero_in_place_of_none() -> None:
    eager, compiled = (Trainer(OPTIMIZERS["momentum"], set_to_none=False) for _ in range(2))
    assert compiled.run(rg.compile(compiled.step)) == eager.run(eager.step)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_changed_learning_rate_is_seen(name: str) -> None:
    results = []
    for wrap in (lambda f: f, rg.compile):
        trainer = Trainer(OPTIMIZERS[name])
        step = wrap(trainer.step)
        first = trainer.run(step, range(20))
        trainer.optimizer.param_groups[0]["lr"] *= 0.1
        trainer.optimizer.param_groups[0]["weight_decay"] = 0.05
        results.append(first + trainer.run(step, range(20, 40)))
    assert results[0] == results[1]


def test_eager_and_compiled_steps_may_alternate() -> None:
    a, b = (Trainer(OPTIMIZERS["adam"], 0.2) for _ in range(2))
    rg.manual_seed(3)
    want = a.run(a.step)
    rg.manual_seed(3)
    compiled = rg.compile(b.step)
    flip = iter(range(STEPS))
    got = b.run(lambda x, y: (compiled if next(flip) % 3 else b.step)(x, y))
    assert got == want


def test_parameters_changed_from_outside_are_seen() -> None:
    trainer = Trainer(OPTIMIZERS["sgd"])
    step = rg.compile(trainer.step)
    x, y = rg.tensor(X[0]), rg.tensor(Y[0])
    step(x, y)
    step(x, y)
    with rg.no_grad():
        for p in trainer.net.parameters():
            p.zero_()
    assert step(x, y).item() == pytest.approx(np.log(3), rel=1e-6)
    trainer.net.load_state_dict(Trainer(OPTIMIZERS["sgd"]).net.state_dict())
    fresh = Trainer(OPTIMIZERS["sgd"])
    assert step(x, y).item() == fresh.step(x, y).item()


def test_a_saved_state_may_be_loaded_between_calls() -> None:
    trainer = Trainer(OPTIMIZERS["adam"])
    step = rg.compile(trainer.step)
    trainer.run(step, range(5))
    model, optimizer = (
        {k: v.clone() for k, v in trainer.net.state_dict().items()},
        trainer.optimizer.state_dict(),
    )
    optimizer = {
        **optimizer,
        "state": {i: {k: v.clone() for k, v in s.items()} for i, s in optimizer["state"].items()},
    }
    want = trainer.run(step, range(5, 10))
    trainer.net.load_state_dict(model)
    trainer.optimizer.load_state_dict(optimizer)
    assert trainer.run(step, range(5, 10)) == want


def test_results_of_one_call_outlive_the_next() -> None:
    f = rg.compile(lambda x: x * 2 + 1)
    results = [f(rg.tensor([float(i)])) for i in range(10)]
    assert [r.item() for r in results] == [2 * i + 1 for i in range(10)]
    assert len({r.data.numpy().__array_interface__["data"][0] for r in results}) == 10


def test_inputs_of_another_shape_or_dtype_are_recorded_anew() -> None:
    f = rg.compile(lambda x: (x * x).sum())
    for shape in ((3,), (2, 5), (3,), (0,), ()):
        for dtype in (rg.float32, rg.float64, rg.int64):
            for _ in range(3):
                x = rg.ones(shape, dtype=dtype) + 1
                y = f(x)
                assert y.item() == 4 * x.numel()
                assert y.dtype == dtype


def test_inputs_with_other_strides() -> None:
    f = rg.compile(lambda x: x.t() @ x)
    a = rg.tensor(RNG.standard_normal((4, 3)))
    for x in (a, a, a.t().contiguous().t(), rg.stack([a, a], -1)[..., 0], a):
        np.testing.assert_allclose(f(x).numpy(), a.numpy().T @ a.numpy(), rtol=1e-12)


def test_other_arguments_are_part_of_the_recording() -> None:
    f = rg.compile(lambda x, n, flag=False: x * n if flag else x + n)
    x = rg.ones(2)
    for _ in range(2):
        assert f(x, 3).tolist() == [4, 4]
        assert f(x, 5).tolist() == [6, 6]
        assert f(x, 5, flag=True).tolist() == [5, 5]


def test_several_and_nested_results() -> None:
    f = rg.compile(lambda x: (x + 1, x * 2))
    for i in range(3):
        a, b = f(rg.tensor([float(i)]))
        assert (a.item(), b.item()) == (i + 1, 2 * i)
    g = rg.compile(lambda x: None)
    assert g(rg.ones(1)) is None
    assert g(rg.ones(1)) is None


def test_gradients_stay_visible_after_a_replay() -> None:
    p = rg.tensor([2.0], requires_grad=True)

    @rg.compile
    def step(x: Tensor) -> Tensor:
        p.grad = None
        loss = (p * p * x).sum()
        loss.backward()
        return loss.detach()

    for i in range(1, 4):
        step(rg.tensor([float(i)]))
        assert p.grad is not None
        assert p.grad.item() == 4 * i


def test_gradients_accumulate_over_replays() -> None:
    p = rg.tensor([2.0], requires_grad=True)

    @rg.compile
    def step(x: Tensor) -> None:
        (p * x).sum().backward()

    for _ in range(5):
        step(rg.ones(1))
    assert p.grad is not None
    assert p.grad.item() == 5


def test_random_numbers_differ_between_replays_and_follow_the_seed() -> None:
    f = rg.compile(lambda x: rg.rand(4) + x)
    runs = []
    for _ in range(2):
        rg.manual_seed(5)
        runs.append([tuple(f(rg.zeros(1)).tolist()) for _ in range(4)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 4


def test_buffers_are_updated_in_place() -> None:
    count = rg.zeros(1)

    @rg.compile
    def step(x: Tensor) -> Tensor:
        count.add_(1)
        return x * count

    assert [step(rg.ones(1)).item() for _ in range(4)] == [1, 2, 3, 4]
    assert count.item() == 4


def hook_on_gradient(net: nn.Linear) -> Callable[[], Any]:
    return net.weight.register_hook(lambda g: g * 0).remove


def second_forward_hook(net: nn.Linear) -> Callable[[], Any]:
    return net.register_forward_hook(lambda module, args, output: output * 3).remove


def own_forward(net: nn.Linear) -> Callable[[], Any]:
    setattr(net, "forward", lambda x: x * net.weight[0])  # noqa: B010
    return lambda: delattr(net, "forward")


def no_bias(net: nn.Linear) -> Callable[[], Any]:
    bias = net.bias
    setattr(net, "bias", None)  # noqa: B010
    return lambda: setattr(net, "bias", bias)


@pytest.mark.parametrize("change", [hook_on_gradient, second_forward_hook, own_forward, no_bias])
def test_what_is_changed_on_a_module_and_changed_back_is_seen(change: Callable[[nn.Linear], Callable[[], Any]]) -> None:
    net = nn.Linear(6, 6)
    net.register_forward_hook(lambda module, args, output: output * 2)
    x = rg.tensor(X[0])

    @rg.compile
    def compiled(x: Tensor) -> tuple[Tensor, Tensor]:
        return step(x)

    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        net.zero_grad()
        y = net(x)
        y.sum().backward()
        assert net.weight.grad is not None
        return y.detach(), net.weight.grad.clone()

    def check() -> None:
        for _ in range(3):
            for a, b in zip(compiled(x), step(x), strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())

    check()
    undo = change(net)
    check()
    undo()
    check()


def test_what_would_be_baked_in_is_refused() -> None:
    """A value that Python looks at while recording would be frozen: that is an error, not a wrong number later."""
    f = rg.compile(lambda x: x * (x.sum().item()))
    with pytest.raises(RuntimeError, match="record|compile"):
        f(rg.ones(2))
    g = rg.compile(lambda x: x if (x.sum() > 0) else -x)
    with pytest.raises(RuntimeError, match="record|compile"):
        g(rg.ones(2))
    h = rg.compile(lambda x: x + x.numpy().sum())
    with pytest.raises(RuntimeError, match="record|compile"):
        h(rg.ones(2))


def test_changing_a_hyperparameter_while_recording_is_refused() -> None:
    trainer = Trainer(OPTIMIZERS["sgd"])

    def step(x: Tensor, y: Tensor) -> Tensor:
        trainer.optimizer.param_groups[0]["lr"] = 0.5
        return trainer.step(x, y)

    with pytest.raises(RuntimeError):
        rg.compile(step)(rg.tensor(X[0]), rg.tensor(Y[0]))
    assert trainer.optimizer.param_groups[0]["lr"] == 0.1


def test_an_exception_while_recording_leaves_nothing_behind() -> None:
    calls = []

    @rg.compile
    def f(x: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("first")
        return x * 2

    with pytest.raises(KeyError, match="first"):
        f(rg.ones(1))
    assert rg.ones(1).sum().item() == 1
    assert f(rg.ones(1)).item() == 2
    assert f(rg.ones(1)).item() == 2


def test_python_runs_once() -> None:
    calls = []

    @rg.compile
    def f(x: Tensor) -> Tensor:
        calls.append(1)
        return x + 1

    for _ in range(5):
        f(rg.ones(3))
    assert len(calls) == 1


def test_compiled_functions_keep_their_name_and_may_be_methods() -> None:
    @rg.compile
    def named(x: Tensor) -> Tensor:
        """Words."""
        return x

    assert named.__name__ == "named"
    assert named.__wrapped__.__doc__ == "Words."

    class Doubler:
        factor = 2

        @rg.compile
        def method(self, x: Tensor) -> Tensor:
            return x * self.factor

    doubler = Doubler()
    assert [doubler.method(rg.ones(1)).item() for _ in range(3)] == [2, 2, 2]
    with pytest.raises(TypeError):
        rg.compile(3)


def test_an_error_in_a_replay_is_an_exception() -> None:
    f = rg.compile(lambda x, t: F.cross_entropy(x, t))
    x = rg.zeros(2, 3)
    f(x, rg.tensor([0, 1]))
    f(x, rg.tensor([0, 2]))
    with pytest.raises(IndexError, match="7"):
        f(x, rg.tensor([0, 7]))
    assert f(x, rg.tensor([0, 1])).item() == pytest.approx(np.log(3))


def test_recordings_do_not_nest_silently() -> None:
    inner = rg.compile(lambda x: x * 2)
    outer = rg.compile(lambda x: inner(x) + 1)
    try:
        values = [outer(rg.tensor([float(i)])).item() for i in range(4)]
    except RuntimeError as error:
        assert "record" in str(error) or "compile" in str(error)
    else:
        assert values == [2 * i + 1 for i in range(4)]


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_step_is_recorded_at_most_twice(set_to_none: bool) -> None:
    """The first call finds no gradients where later ones do; after that nothing is new."""
    trainer = Trainer(OPTIMIZERS["adam"], set_to_none=set_to_none)
    step = rg.compile(trainer.step)
    for i in range(10):
        step(rg.tensor(X[i]), rg.tensor(Y[i]))
    assert len(step) <= 2
