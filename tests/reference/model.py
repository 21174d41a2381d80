"""A multilayer perceptron with its backward pass written out by hand."""

from __future__ import annotations

import numpy as np

from reference import loss
from reference.registry import Array


class MLP:
    """Linear layers with an activation between them; parameters are [weight, bias, weight, bias, ...]."""

    def __init__(self, params: list[Array], activation: str = "relu") -> None:
        self.params = [np.array(p, np.float64) for p in params]
        self.activation = activation

    def forward(self, x: Array, masks: list[Array] | None = None) -> tuple[Array, list[Array]]:
        """The logits, and what the backward pass needs: the input of every layer."""
        inputs = []
        h = np.asarray(x, np.float64)
        layers = len(self.params) // 2
        for i in range(layers):
            inputs.append(h)
            weight, bias = self.params[2 * i : 2 * i + 2]
            h = h @ weight.T + bias
            if i < layers - 1:
                h = np.maximum(h, 0) if self.activation == "relu" else np.tanh(h)
                if masks is not None:
                    h = h * masks[i]
        return h, inputs

    def backward(self, g: Array, inputs: list[Array], masks: list[Array] | None = None) -> list[Array]:
        """The gradients of the parameters from the gradient of the logits."""
        grads: list[Array] = []
        for i in reversed(range(len(self.params) // 2)):
            grads[:0] = [g.T @ inputs[i], g.sum(axis=0)]
            if i:
                g = g @ self.params[2 * i]
                # inputs[i] is the activation's output, after a mask of zeros and 1/(1-p).
                y = inputs[i]
                if masks is not None:
                    g = g * masks[i - 1]
                    y = np.divide(y, masks[i - 1], out=np.zeros_like(y), where=masks[i - 1] != 0)
                g = g * (y > 0) if self.activation == "relu" else g * (1 - y * y)
        return grads

    def loss_and_grads(self, x: Array, target: Array) -> tuple[float, list[Array]]:
        """Cross-entropy against class indices."""
        logits, inputs = self.forward(x)
        value = float(loss.cross_entropy(logits, target))
        return value, self.backward(loss.cross_entropy_grad(logits, target), inputs)

    def mse_and_grads(self, x: Array, target: Array) -> tuple[float, list[Array]]:
        """Mean squared error against values."""
        output, inputs = self.forward(x)
        return float(loss.mse_loss(output, target)), self.backward(loss.mse_loss_grad(output, target), inputs)
