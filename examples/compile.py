"""Records one training step and replays it without Python: `python examples/compile.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

import retrograd as rg
from retrograd import nn, optim
from retrograd.nn import functional as F


def trainer() -> Callable[[rg.Tensor, rg.Tensor], rg.Tensor]:
    """A network, its optimizer, and the function that trains it by one step."""
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(x: rg.Tensor, y: rg.Tensor) -> rg.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


x, y = rg.randn(32, 4), rg.randn(32, 2)
losses = {}
for name, step in (("eager", trainer()), ("compiled", rg.compile(trainer()))):
    step(x, y)  # The first call records.
    start = time.perf_counter()
    for _ in range(1000):
        loss = step(x, y)
    microseconds = (time.perf_counter() - start) * 1e3
    losses[name] = loss.item()
    print(f"{name:9} {microseconds:6.1f} µs a step, loss {losses[name]:.6f}")
assert losses["eager"] == losses["compiled"], "a replay gives the same bits"
