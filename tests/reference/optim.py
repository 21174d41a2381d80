"""Optimizers, one parameter at a time, with torch's formulas."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reference.registry import Array, forward


@dataclass
class SGD:
    """Stochastic gradient descent with momentum."""

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    maximize: bool = False
    buffers: dict[int, Array] = field(default_factory=dict)

    def step(self, params: list[Array], grads: list[Array]) -> None:
        for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
            g = -grad if self.maximize else grad
            g = g + self.weight_decay * p
            if self.momentum:
                if i in self.buffers:
                    self.buffers[i] = self.momentum * self.buffers[i] + (1 - self.dampening) * g
                else:
                    self.buffers[i] = g
                g = g + self.momentum * self.buffers[i] if self.nesterov else self.buffers[i]
            p -= self.lr * g


@dataclass
class Adam:
    """Adam, or with `decoupled` AdamW."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False
    maximize: bool = False
    t: int = 0
    means: dict[int, Array] = field(default_factory=dict)
    squares: dict[int, Array] = field(default_factory=dict)

    def step(self, params: list[Array], grads: list[Array]) -> None:
        self.t += 1
        beta1, beta2 = self.betas
        for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
            g = -grad if self.maximize else grad
            if self.decoupled:
                p *= 1 - self.lr * self.weight_decay
            else:
                g = g + self.weight_decay * p
            self.means[i] = beta1 * self.means.get(i, np.zeros_like(p)) + (1 - beta1) * g
            self.squares[i] = beta2 * self.squares.get(i, np.zeros_like(p)) + (1 - beta2) * g * g
            mean = self.means[i] / (1 - beta1**self.t)
            square = self.squares[i] / (1 - beta2**self.t)
            p -= self.lr * mean / (np.sqrt(square) + self.eps)


# The ops over lists of tensors: they are swept in test_optim.py, over many steps.
forward("sgd_step")(SGD)
forward("adam_step")(Adam)
