"""Optimizers against the NumPy reference, over many steps; parameter groups; saving."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from reference import optim as reference
from retrograd import optim

SHAPES = [(3, 4), (4,), (), (0,), (33, 65)]
STEPS = 60

SGD_OPTIONS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.1, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    {"lr": 0.05, "momentum": 0.5, "maximize": True},
]
ADAM_OPTIONS: list[dict[str, Any]] = [
    {},
    {"lr": 0.01, "weight_decay": 0.1},
    {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3},
    {"lr": 0.01, "maximize": True},
]


def grads(step: int) -> list[Any]:
    rng = np.random.default_rng(step)
    return [rng.standard_normal(shape) for shape in SHAPES]


def check(optimizer: Any, params: list[rg.Tensor], plain: Any, dtype: rg.DType) -> None:
    arrays = [p.detach().double().numpy().copy() for p in params]
    tolerance = 1e-11 if dtype == rg.float64 else 2e-5
    for step in range(STEPS):
        for p, g in zip(params, grads(step), strict=True):
            p.grad = rg.tensor(g).to(dtype)
        optimizer.step()
        plain.step(arrays, grads(step))
        for p, a in zip(params, arrays, strict=True):
            np.testing.assert_allclose(
                p.detach().double().numpy(), a, rtol=tolerance, atol=tolerance, err_msg=f"step {step}"
            )


def parameters(dtype: rg.DType = rg.float64) -> list[rg.Tensor]:
    rng = np.random.default_rng(99)
    return [rg.tensor(rng.standard_normal(s)).to(dtype).requires_grad_() for s in SHAPES]


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64], ids=str)
@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_sgd(options: dict[str, Any], dtype: rg.DType) -> None:
    params = parameters(dtype)
    check(optim.SGD(params, **options), params, reference.SGD(**options), dtype)


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64], ids=str)
@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_adam(options: dict[str, Any], dtype: rg.DType) -> None:
    params = parameters(dtype)
    check(optim.Adam(params, **options), params, reference.Adam(**options), dtype)


@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_adamw(options: dict[str, Any]) -> None:
    params = parameters()
    plain = reference.Adam(**{"weight_decay": 0.01, **options}, decoupled=True)
    check(optim.AdamW(params, **options), params, plain, rg.float64)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_against_torch(make: Any) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = parameters(), [torch.tensor(p.tolist(), dtype=torch.float64) for p in parameters()]
    options = {"lr": 0.03, "weight_decay": 0.02} | ({"momentum": 0.8} if make is optim.SGD else {})
    a, b = make(ours, **options), getattr(torch.optim, make.__name__)(theirs, **options)
    for step in range(20):
        for p, q, g in zip(ours, theirs, grads(step), strict=True):
            p.grad, q.grad = rg.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.numpy(), rtol=1e-12, atol=1e-15)


def test_strided_parameters_and_gradients() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((6, 4))
    p = rg.tensor(a).t().detach().requires_grad_()
    g = rng.standard_normal((8, 6))
    p.grad = rg.tensor(g)[::2]
    optim.SGD([p], lr=0.5).step()
    np.testing.assert_allclose(p.detach().numpy(), a.T - 0.5 * g[::2])


def test_parameters_without_a_gradient_are_left_alone() -> None:
    a, b = rg.ones(1, requires_grad=True), rg.ones(1, requires_grad=True)
    optimizer = optim.Adam([a, b], lr=1.0)
    a.sum().backward()
    optimizer.step()
    assert a.item() != 1
    assert b.item() == 1
    assert list(optimizer.state) == [a]


def test_the_step_is_seen_by_the_version_counter() -> None:
    p = rg.ones(1, requires_grad=True)
    loss = (p * p).sum()
    p.grad = rg.ones(1)
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="mul"):
        loss.backward()


def test_zero_grad() -> None:
    p = rg.ones(2, requires_grad=True)
    optimizer = optim.SGD([p])
    (p * 2).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is not None
    assert p.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None


def test_a_closure() -> None:
    p = rg.tensor([4.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.25)

    def closure() -> rg.Tensor:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with rg.no_grad():
        assert optimizer.step(closure).item() == 16
    assert p.item() == 2


def test_groups() -> None:
    a, b = rg.ones(1, requires_grad=True), rg.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.5)
    a.grad, b.grad = rg.ones(1), rg.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0)
    c = rg.ones(1, requires_grad=True)
    optimizer.add_param_group({"params": [c], "lr": 0.25})
    c.grad = rg.ones(1)
    optimizer.step()
    assert (a.item(), b.item(), c.item()) == (0, -1, 0.75)
    assert "lr: 0.25" in repr(optimizer)


def test_every_way_to_change_a_hyperparameter_is_seen() -> None:
    p = rg.zeros(1, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    group = optimizer.param_groups[0]

    def moved() -> float:
        before: float = p.item()
        p.grad = rg.ones(1)
        optimizer.step()
        return float(before - p.item())

    assert moved() == 1
    group["lr"] = 2.0
    assert moved() == 2
    group.update(lr=4.0)
    assert moved() == 4
    group |= {"lr": 8.0}
    assert moved() == 8
    group["lr"] *= 2
    assert moved() == 16
    optimizer.load_state_dict(optim.SGD([p], lr=32.0).state_dict())
    assert moved() == 32
    assert group.setdefault("initial_lr", 3) == 3
    assert group.pop("initial_lr") == 3
    lose: Any
    for lose in (lambda: group.pop("lr"), lambda: group.__delitem__("lr"), group.clear, group.popitem):
        with pytest.raises(TypeError, match="cannot lose"):
            lose()


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, momentum=0.9), optim.Adam], ids=["sgd", "adam"])
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_saving_and_going_on(make: Any, way: str) -> None:
    def steps(optimizer: Any, params: list[rg.Tensor], numbers: range) -> None:
        for step in numbers:
            for p, g in zip(params, grads(step), strict=True):
                p.grad = rg.tensor(g)
            optimizer.step()

    params = parameters()
    optimizer = make(params)
    steps(optimizer, params, range(5))
    if way == "state_dict":
        others = [p.detach().clone().requires_grad_() for p in params]
        other = make(others)
        other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    else:
        other = copy.deepcopy(optimizer) if way == "deepcopy" else pickle.loads(pickle.dumps(optimizer))
        others = other.param_groups[0]["params"]
    steps(optimizer, params, range(5, 10))
    steps(other, others, range(5, 10))
    for p, q in zip(params, others, strict=True):
        assert p is not q
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_the_state_dict_has_torchs_format() -> None:
    p, q = parameters()[:2]
    optimizer = optim.Adam([{"params": [p]}, {"params": [q]}])
    q.grad = rg.zeros_like(q.detach())
    optimizer.step()
    state = optimizer.state_dict()
    assert [g["params"] for g in state["param_groups"]] == [[0], [1]]
    assert set(state["state"]) == {1}
    assert set(state["state"][1]) == {"step", "exp_avg", "exp_avg_sq"}
    # Where vectors cross no cache line.
    assert all(np.asarray(state["state"][1][name]).ctypes.data % 64 == 0 for name in ("exp_avg", "exp_avg_sq"))


def test_loading_what_does_not_fit() -> None:
    p, q = parameters()[:2]
    state = optim.SGD([p, q]).state_dict()
    with pytest.raises(ValueError, match="sizes"):
        optim.SGD([p]).load_state_dict(state)
    one = optim.Adam([p])
    p.grad = rg.zeros_like(p.detach())
    one.step()
    with pytest.raises(ValueError, match="shape"):
        optim.Adam([q]).load_state_dict(one.state_dict())


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (optim.SGD, {"lr": -1}),
        (optim.SGD, {"lr": float("nan")}),
        (optim.SGD, {"momentum": -0.1}),
        (optim.SGD, {"weight_decay": -0.1}),
        (optim.SGD, {"nesterov": True}),
        (optim.Adam, {"betas": (1.0, 0.9)}),
        (optim.Adam, {"betas": (0.9, -0.1)}),
        (optim.Adam, {"eps": -1}),
    ],
)
def test_hyperparameters_out_of_range(make: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        make(parameters(), **options)


@pytest.mark.parametrize(
    ("make", "name"),
    [(optim.SGD, "differentiable"), (optim.Adam, "differentiable"), (optim.AdamW, "amsgrad")],
)
def test_what_is_not_supported_is_named(make: Any, name: str) -> None:
    with pytest.raises(NotImplementedError, match=name):
        make(parameters(), **{name: True})


def test_bad_parameters() -> None:
    p = rg.ones(1, requires_grad=True)
    bad: Any
    for bad, error in (
        (p, TypeError),
        ([], ValueError),
        ([1], TypeError),
        ([p, p], ValueError),
        ([p * 2], ValueError),
        ([{"params": [p]}, {"params": [p]}], ValueError),
        ([{"params": {p}}], TypeError),
        ([{"params": [p], "lrr": 1}], NotImplementedError),
    ):
        with pytest.raises(error):
            optim.SGD(bad)


def test_named_parameters_and_generators() -> None:
    p = rg.ones(1, requires_grad=True)
    assert optim.SGD([("weight", p)]).param_groups[0]["params"] == [p]
    assert optim.SGD(x for x in [p]).param_groups[0]["params"][0] is p


def test_gradients_of_another_shape_are_refused() -> None:
    p = rg.ones(2, requires_grad=True)
    with pytest.raises((RuntimeError, ValueError), match="shape"):
        p.grad = rg.ones(3)
