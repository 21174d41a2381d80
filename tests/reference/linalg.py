"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference.registry import Array, backward, forward, unbroadcast


@forward("matmul")
def matmul(a: Array, b: Array) -> Array:
    return np.asarray(a @ b)


@backward("matmul")
def matmul_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """By einsum over explicit index letters: (..., i, k) and (..., k, j), a missing i or j left out."""
    i, j = ("i" if a.ndim > 1 else ""), ("j" if b.ndim > 1 else "")
    to_a = np.einsum(f"...{i}{j},...k{j}->...{i}k", g, b)
    to_b = np.einsum(f"...{i}{j},...{i}k->...k{j}", g, a)
    return unbroadcast(to_a, a.shape), unbroadcast(to_b, b.shape)


@forward("matmul_relu_backward")
def matmul_relu_backward(a: Array, b: Array, output: Array) -> Array:
    return np.where(output > 0, a @ b, 0)


@forward("linear")
def linear(x: Array, weight: Array, bias: Array) -> Array:
    return np.asarray(np.einsum("...i,oi->...o", x, weight) + bias)


@backward("linear")
def linear_backward(g: Array, x: Array, weight: Array, bias: Array) -> tuple[Array, Array, Array]:
    return (
        np.einsum("...o,oi->...i", g, weight),
        np.tensordot(g, x, axes=(range(g.ndim - 1), range(g.ndim - 1))),
        unbroadcast(g, bias.shape),
    )


# The function, and its derivative in terms of its result.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda x: np.where(x < 0, 0, x), lambda y: np.asarray(y > 0, y.dtype)),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y * y),
}


@forward("linear_activation")
def linear_activation(x: Array, weight: Array, bias: Array, *, activation: str) -> Array:
    return np.asarray(ACTIVATIONS[activation][0](linear(x, weight, bias)))


@backward("linear_activation")
def linear_activation_backward(
    g: Array, x: Array, weight: Array, bias: Array, *, activation: str
) -> tuple[Array | None, ...]:
    y = linear_activation(x, weight, bias, activation=activation)
    return linear_backward(g * ACTIVATIONS[activation][1](y), x, weight, bias)


@forward("linear_backward")
def weight_and_bias_gradient(x: Array, g: Array) -> tuple[Array, Array]:
    return np.einsum("no,ni->oi", g, x), g.sum(axis=0)


@forward("add_linear_backward")
def add_weight_and_bias_gradient(weight_grad: Array, bias_grad: Array, x: Array, g: Array) -> tuple[Array, Array]:
    weight, bias = weight_and_bias_gradient(x, g)
    return weight_grad + weight, bias_grad + bias
