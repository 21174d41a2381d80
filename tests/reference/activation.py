"""Activations and their derivatives times a gradient."""

from __future__ import annotations

import math

import numpy as np

from reference.registry import Array, backward, forward, unbroadcast


@forward("tanh")
def tanh(x: Array) -> Array:
    return np.tanh(x)


@backward("tanh")
def _tanh_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g / np.cosh(x) ** 2,)


@forward("tanh_backward")
def tanh_backward(output: Array, grad: Array) -> Array:
    return np.asarray(grad * (1 - output * output))


@backward("tanh_backward")
def _tanh_backward_vjp(g: Array, output: Array, grad: Array) -> tuple[Array, Array]:
    to_output, to_grad = -2 * g * grad * output, g * (1 - output * output)
    return unbroadcast(to_output, output.shape), unbroadcast(to_grad, grad.shape)


@forward("sigmoid")
def sigmoid(x: Array) -> Array:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


@backward("sigmoid")
def _sigmoid_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g * sigmoid(x) * sigmoid(-x),)


@forward("sigmoid_backward")
def sigmoid_backward(output: Array, grad: Array) -> Array:
    return np.asarray(grad * output * (1 - output))


@backward("sigmoid_backward")
def _sigmoid_backward_vjp(g: Array, output: Array, grad: Array) -> tuple[Array, Array]:
    to_output, to_grad = g * grad * (1 - 2 * output), g * output * (1 - output)
    return unbroadcast(to_output, output.shape), unbroadcast(to_grad, grad.shape)


@forward("silu")
def silu(x: Array) -> Array:
    return np.asarray(np.where(x == -np.inf, 0, x) * sigmoid(x))  # The limit, where torch has NaN.


@backward("silu")
def _silu_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g * sigmoid(x) * (1 + x * sigmoid(-x)),)


@forward("silu_backward")
def silu_backward(x: Array, grad: Array) -> Array:
    x = _bounded(x)
    return np.asarray(grad * sigmoid(x) * (1 + x * sigmoid(-x)))


@backward("silu_backward")
def _silu_backward_vjp(g: Array, x: Array, grad: Array) -> tuple[Array, Array]:
    slope = sigmoid(x) * sigmoid(-x)
    bent = slope * (2 + x * (sigmoid(-x) - sigmoid(x)))
    return unbroadcast(g * grad * bent, x.shape), unbroadcast(silu_backward(x, g), grad.shape)


def _bounded(x: Array) -> Array:
    """Further out activations have reached their limits, of which infinity would make NaN."""
    return np.clip(x.astype(np.float64), -800, 800)


def _normal(x: Array) -> Array:
    """The normal distribution function."""
    return np.asarray(np.vectorize(lambda v: math.erfc(-v / math.sqrt(2)) / 2, otypes=[np.float64])(x)).reshape(x.shape)


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-x * x / 2) / np.sqrt(2 * np.pi))


def _cubic(x: Array) -> tuple[Array, Array, Array]:
    """What the tanh of the approximation is of, and its first two derivatives."""
    a, c = np.sqrt(2 / np.pi), 0.044715
    return a * (x + c * x**3), a * (1 + 3 * c * x * x), a * 6 * c * x


@forward("gelu")
def gelu(x: Array, *, approximate: str) -> Array:
    x = np.where(x == -np.inf, -1000, x).astype(np.float64)  # The limit, where torch has NaN.
    if approximate == "none":
        return np.asarray(x * _normal(x))
    # (1 + tanh u) / 2, without the difference of what is nearly equal.
    return np.asarray(x * sigmoid(2 * _cubic(x)[0]))


@backward("gelu")
def _gelu_vjp(g: Array, x: Array, *, approximate: str) -> tuple[Array]:
    return (gelu_backward(x, g, approximate=approximate),)


@forward("gelu_backward")
def gelu_backward(x: Array, grad: Array, *, approximate: str) -> Array:
    x = _bounded(x)
    if approximate == "none":
        return np.asarray(grad * (_normal(x) + x * _density(x)))
    u, slope, _ = _cubic(x)
    t = np.tanh(u)
    return np.asarray(grad * ((1 + t) / 2 + x / 2 * (1 - t * t) * slope))


@backward("gelu_backward")
def _gelu_backward_vjp(g: Array, x: Array, grad: Array, *, approximate: str) -> tuple[Array, Array]:
    if approximate == "none":
        bent = _density(x) * (2 - x * x)
    else:
        u, slope, curve = _cubic(x)
        t = np.tanh(u)
        bent = (1 - t * t) * (slope + x / 2 * (curve - 2 * t * slope * slope))
    to_grad = gelu_backward(x, g, approximate=approximate)
    return unbroadcast(g * grad * bent, x.shape), unbroadcast(to_grad, grad.shape)


@forward("softplus")
def softplus(x: Array, *, beta: float, threshold: float) -> Array:
    t = beta * x
    return np.asarray(np.where(t > threshold, x, (np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t)))) / beta))


@backward("softplus")
def _softplus_vjp(g: Array, x: Array, *, beta: float, threshold: float) -> tuple[Array]:
    return (softplus_backward(x, g, beta=beta, threshold=threshold),)


@forward("softplus_backward")
def softplus_backward(x: Array, grad: Array, *, beta: float, threshold: float) -> Array:
    return np.asarray(np.where(beta * x > threshold, grad, grad * sigmoid(beta * x)))


@backward("softplus_backward")
def _softplus_backward_vjp(g: Array, x: Array, grad: Array, *, beta: float, threshold: float) -> tuple[Array, Array]:
    s = sigmoid(beta * x)
    bent = np.where(beta * x > threshold, 0, beta * s * (1 - s))
    to_grad = softplus_backward(x, g, beta=beta, threshold=threshold)
    return unbroadcast(g * grad * bent, x.shape), unbroadcast(to_grad, grad.shape)


@forward("relu")
def relu(x: Array) -> Array:
    return np.maximum(x, 0)


@backward("relu")
def _relu_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g * (x > 0),)


@forward("relu_backward")
def relu_backward(output: Array, grad: Array) -> Array:
    return np.where(output > 0, grad, 0)


@backward("relu_backward")
def _relu_backward_vjp(g: Array, output: Array, grad: Array) -> tuple[None, Array]:
    return None, unbroadcast(np.where(output > 0, g, 0), grad.shape)


@forward("leaky_relu")
def leaky_relu(x: Array, *, slope: float) -> Array:
    return np.where(x > 0, x, x * slope)


@backward("leaky_relu")
def _leaky_relu_vjp(g: Array, x: Array, *, slope: float) -> tuple[Array]:
    return (leaky_relu_backward(x, g, slope=slope),)


@forward("leaky_relu_backward")
def leaky_relu_backward(x: Array, grad: Array, *, slope: float) -> Array:
    return np.where(x > 0, grad, grad * slope)


@backward("leaky_relu_backward")
def _leaky_relu_backward_vjp(g: Array, x: Array, grad: Array, *, slope: float) -> tuple[None, Array]:
    return None, unbroadcast(leaky_relu_backward(x, g, slope=slope), grad.shape)


@forward("elu")
def elu(x: Array, *, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@backward("elu")
def _elu_vjp(g: Array, x: Array, *, alpha: float) -> tuple[Array]:
    return (elu_backward(x, g, alpha=alpha),)


@forward("elu_backward")
def elu_backward(x: Array, grad: Array, *, alpha: float) -> Array:
    return np.where(x > 0, grad, grad * (alpha * np.exp(np.minimum(x, 0))))


@backward("elu_backward")
def _elu_backward_vjp(g: Array, x: Array, grad: Array, *, alpha: float) -> tuple[Array, Array]:
    bent = np.where(x > 0, 0, alpha * np.exp(np.minimum(x, 0)))
    return unbroadcast(g * grad * bent, x.shape), unbroadcast(elu_backward(x, g, alpha=alpha), grad.shape)
