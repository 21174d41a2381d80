"""The references are checked too: gradients by central differences, and what torch has against torch if it is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.samples import Op, Sample, all_ops
from reference import REFERENCES, loss
from reference import optim as plain
from reference.model import MLP

STEP = 1e-6


def cases() -> list[Any]:
    return [
        pytest.param(op, sample, id=f"{op.name} {sample.text}")
        for op in all_ops()
        for sample in op.samples
        if op.name in REFERENCES and REFERENCES[op.name].backward is not None
        if any(o.real for o in sample.operands) and all(np.prod(o.shape) < 100 for o in sample.operands)
    ]


@pytest.mark.parametrize(("op", "sample"), cases())
def test_reference_gradients(op: Op, sample: Sample) -> None:
    reference = REFERENCES[op.name]
    assert reference.backward is not None
    arrays = sample.arrays()

    def first() -> Any:
        result = reference.forward(*arrays, **sample.attributes)
        return np.asarray(result[0] if isinstance(result, tuple) else result)

    y = first()
    if y.dtype != np.float64:
        return
    weights = np.asarray(np.random.default_rng(2).standard_normal(y.shape))
    grads = reference.backward(weights, *arrays, **sample.attributes)
    for operand, array, grad in zip(sample.operands, arrays, grads, strict=True):
        if not operand.real or grad is None:
            continue
        assert grad.shape == array.shape
        for at in np.ndindex(*array.shape):
            value = array[at]
            array[at] = value + STEP
            up = (weights * first()).sum()
            array[at] = value - STEP
            down = (weights * first()).sum()
            array[at] = value
            assert grad[at] == pytest.approx((up - down) / (2 * STEP), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_reference_network(activation: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(5, 4), (5,), (6, 5), (6,), (3, 6), (3,)]
    model = MLP([rng.standard_normal(s) for s in shapes], activation)
    x, y = rng.standard_normal((7, 4)), rng.integers(0, 3, 7)
    _, grads = model.loss_and_grads(x, y)
    for p, g in zip(model.params, grads, strict=True):
        for at in np.ndindex(*p.shape):
            value = p[at]
            p[at] = value + STEP
            up, _ = model.loss_and_grads(x, y)
            p[at] = value - STEP
            down, _ = model.loss_and_grads(x, y)
            p[at] = value
            assert g[at] == pytest.approx((up - down) / (2 * STEP), rel=1e-5, abs=1e-8)


def test_reference_losses_against_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((6, 5)), np.array([0, 4, -100, 1, 1, 3])
    for reduction in ("mean", "sum", "none"):
        logits = torch.tensor(x, requires_grad=True)
        theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(t), reduction=reduction)
        np.testing.assert_allclose(loss.cross_entropy(x, t, reduction=reduction), theirs.detach().numpy())
        theirs.sum().backward()
        np.testing.assert_allclose(loss.cross_entropy_grad(x, t, reduction=reduction), logits.grad.numpy(), atol=1e-15)


@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (plain.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.3}),
        (plain.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
        (plain.Adam, "Adam", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.3}),
        (plain.Adam, "AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ],
)
def test_reference_optimizers_against_torch(ours: Any, name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = [rng.standard_normal((3, 2)), rng.standard_normal(4)]
    theirs = [torch.tensor(p) for p in params]
    a = ours(**options, **({"decoupled": True} if name == "AdamW" else {}))
    b = getattr(torch.optim, name)(theirs, **options)
    for _ in range(10):
        grads = [rng.standard_normal(p.shape) for p in params]
        a.step(params, grads)
        for q, g in zip(theirs, grads, strict=True):
            q.grad = torch.tensor(g)
        b.step()
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p, q.numpy(), rtol=1e-10)
