"""Softmax and its logarithm."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward


def _total(x: Array, dim: int) -> Array:
    return np.asarray(x.sum(axis=dim, keepdims=True) if x.ndim else x)


@forward("log_softmax")
def log_softmax(x: Array, *, dim: int) -> Array:
    shifted = x - (x.max(axis=dim, keepdims=True, initial=-np.inf) if x.ndim else x)
    with np.errstate(divide="ignore"):  # Of nothing at all.
        return np.asarray(shifted - np.log(_total(np.exp(shifted), dim)))


@backward("log_softmax")
def _log_softmax_vjp(g: Array, x: Array, *, dim: int) -> tuple[Array]:
    return (g - softmax(x, dim=dim) * _total(g, dim),)


@forward("log_softmax_backward")
def log_softmax_backward(output: Array, grad: Array, *, dim: int) -> Array:
    return np.asarray(grad - np.exp(output) * _total(grad, dim))


@backward("log_softmax_backward")
def _log_softmax_backward_vjp(g: Array, output: Array, grad: Array, *, dim: int) -> tuple[Array, Array]:
    p = np.exp(output)
    return -g * p * _total(grad, dim), g - _total(g * p, dim)


@forward("softmax")
def softmax(x: Array, *, dim: int) -> Array:
    return np.asarray(np.exp(log_softmax(x, dim=dim)))


@backward("softmax")
def _softmax_vjp(g: Array, x: Array, *, dim: int) -> tuple[Array]:
    return (softmax_backward(softmax(x, dim=dim), g, dim=dim),)


@forward("softmax_backward")
def softmax_backward(output: Array, grad: Array, *, dim: int) -> Array:
    return np.asarray(output * (grad - _total(grad * output, dim)))


@backward("softmax_backward")
def _softmax_backward_vjp(g: Array, output: Array, grad: Array, *, dim: int) -> tuple[Array, Array]:
    to_output = g * (grad - _total(grad * output, dim)) - grad * _total(g * output, dim)
    return to_output, output * g - output * _total(output * g, dim)
