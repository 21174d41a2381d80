"""The networks whose training steps are timed, and their data, for any framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["MODELS", "Model", "batches"]


@dataclass(frozen=True)
class Model:
    """A multilayer perceptron and how it is trained.

    Attributes:
        sizes: the widths of its layers, the input's first.
        activation: `tanh` or `relu`.
        loss: `mse` or `cross_entropy`.
        optimizer: `sgd` (momentum 0.9) or `adam`.
        batch: rows of a batch.
        gflop: what a step takes, counted by its matrix products.
    """

    sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    batch: int
    gflop: float


MODELS = {
    "tiny": Model((4, 32, 32, 2), "tanh", "mse", "sgd", 32, 0.0002),
    "mlp": Model((784, 256, 128, 10), "relu", "cross_entropy", "adam", 128, 0.129),
    "mlp_wide": Model((1024, 1024, 1024, 1024, 10), "relu", "cross_entropy", "adam", 256, 4.31),
}


def batches(model: Model, count: int = 8) -> list[tuple[Any, Any]]:
    """Random batches as pairs of arrays."""
    random = np.random.default_rng(0)

    def targets() -> Any:
        if model.loss == "cross_entropy":
            return random.integers(0, model.sizes[-1], model.batch)
        return random.standard_normal((model.batch, model.sizes[-1]), np.float32)

    return [(random.standard_normal((model.batch, model.sizes[0]), np.float32), targets()) for _ in range(count)]
