"""Whole trainings beside the NumPy reference: the losses must agree, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import retrograd as rg
from reference import optim as plain
from reference.model import MLP
from retrograd import nn, optim
from retrograd.datasets import digits
from retrograd.nn import functional as F

STEPS = 100
BATCH = 64


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (optim.SGD, plain.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (optim.Adam, plain.Adam, {"lr": 3e-3}),
    ],
    ids=["sgd", "adam"],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_digits(activation: str, ours: Any, theirs: Any, options: dict[str, Any], compiled: bool) -> None:
    rg.manual_seed(1)
    images, labels = digits()
    x, y = images.flatten(1), labels
    layer = nn.ReLU if activation == "relu" else nn.Tanh
    net = nn.Sequential(nn.Linear(64, 48), layer(), nn.Linear(48, 32), layer(), nn.Linear(32, 10))
    optimizer = ours(net.parameters(), **options)
    model = MLP([p.detach().numpy() for p in net.parameters()], activation)
    reference = theirs(**options)
    arrays = x.numpy().astype(np.float64), y.numpy()

    def step(images: rg.Tensor, labels: rg.Tensor) -> rg.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = rg.compile(step) if compiled else step
    for i in range(STEPS):
        at = slice(i * BATCH % 1700, i * BATCH % 1700 + BATCH)
        loss = run(x[at], y[at]).item()
        want, grads = model.loss_and_grads(arrays[0][at], arrays[1][at])
        reference.step(model.params, grads)
        assert loss == pytest.approx(want, rel=1e-5), f"step {i}"
    assert loss < 1.0


def test_regression() -> None:
    rg.manual_seed(2)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 4)).astype(np.float32)
    y = np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 2])], 1).astype(np.float32)
    net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    model = MLP([p.detach().numpy() for p in net.parameters()], "tanh")
    reference = plain.SGD(lr=0.05, momentum=0.9)
    for i in range(STEPS):
        optimizer.zero_grad()
        loss = F.mse_loss(net(rg.tensor(x)), rg.tensor(y))
        loss.backward()
        optimizer.step()
        want, grads = model.mse_and_grads(x, y)
        reference.step(model.params, grads)
        assert loss.item() == pytest.approx(want, rel=1e-5), f"step {i}"


def test_the_digits_are_the_digits() -> None:
    images, labels = digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == rg.float32
    assert labels.dtype == rg.int64
    assert (images.min().item(), images.max().item()) == (0, 1)
    assert np.bincount(labels.numpy()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first image is a zero: ink around a hole.
    assert labels[0].item() == 0
    assert images[0, 3, 3].item() == 0
    assert images[0, 1, 2].item() > 0.5
