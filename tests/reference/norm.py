"""Normalisation."""

from __future__ import annotations

import math

import numpy as np

from reference.registry import Array, backward, forward


def _matrix(x: Array, dims: int) -> Array:
    """The last `dims` dimensions as columns."""
    columns = math.prod(x.shape[x.ndim - dims :])
    rows = math.prod(x.shape[: x.ndim - dims])
    return x.reshape(rows, columns)


def _statistics(x: Array, dims: int, eps: float) -> tuple[Array, Array]:
    rows = _matrix(x, dims)
    n = np.float64(rows.shape[1])
    with np.errstate(all="ignore"):
        mean = rows.sum(axis=1) / n
        return mean, 1 / np.sqrt(np.square(rows - mean[:, None]).sum(axis=1) / n + eps)


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, dims: int, eps: float = 1e-5
) -> Array:
    """(x - mean) / sqrt(var + eps) * weight + bias."""
    mean, rstd = _statistics(x, dims, eps)
    normal = ((_matrix(x, dims) - mean[:, None]) * rstd[:, None]).reshape(x.shape)
    scaled = normal if weight is None else normal * weight
    return np.asarray(scaled if bias is None else scaled + bias)


@forward("layer_norm")
def _layer_norm_op(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, dims: int, eps: float
) -> tuple[Array, Array, Array]:
    """The other outputs are kept for the gradient."""
    mean, rstd = _statistics(x, dims, eps)
    lead = x.shape[: x.ndim - dims]
    return layer_norm(x, weight, bias, dims=dims, eps=eps), mean.reshape(lead), rstd.reshape(lead)


@backward("layer_norm")
def _layer_norm_vjp(
    g: Array, x: Array, weight: Array | None = None, bias: Array | None = None, *, dims: int, eps: float
) -> tuple[Array, ...]:
    grads = _layer_norm_grad(g, x, *_statistics(x, dims, eps), weight, dims)
    return grads if bias is not None else grads[:2]


def _layer_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None, dims: int
) -> tuple[Array, ...]:
    """By the chain rule: through the centred row, its variance, and the mean of both."""
    rows, grad, scale = _matrix(x, dims), _matrix(g, dims), rstd.reshape(-1, 1)
    n = max(rows.shape[1], 1)
    centred = rows - mean.reshape(-1, 1)
    h = grad if weight is None else grad * weight.reshape(-1)
    through_variance = (h * centred).sum(axis=1, keepdims=True) * -0.5 * scale**3
    through_mean = (-h * scale).sum(axis=1, keepdims=True)
    to_input = (h * scale + through_variance * 2 * centred / n + through_mean / n).reshape(x.shape)
    if weight is None:
        return (to_input,)
    to_weight, to_bias = (grad * centred * scale).sum(axis=0), grad.sum(axis=0)
    return to_input, to_weight.reshape(weight.shape), to_bias.reshape(weight.shape)


@forward("layer_norm_backward")
def _layer_norm_backward_op(
    grad: Array, x: Array, mean: Array, rstd: Array, weight: Array | None = None, *, dims: int
) -> tuple[Array, ...]:
    """From given means and reciprocal deviations, which need not be those of `x`."""
    rows, given, scale = _matrix(x, dims), _matrix(grad, dims), rstd.reshape(-1, 1)
    n = max(rows.shape[1], 1)
    normal = (rows - mean.reshape(-1, 1)) * scale
    h = given if weight is None else given * weight.reshape(-1)
    plain, along = h.sum(axis=1, keepdims=True) / n, (h * normal).sum(axis=1, keepdims=True) / n
    to_input = ((h - plain - normal * along) * scale).reshape(x.shape)
    if weight is None:
        return (to_input,)
    return to_input, (given * normal).sum(axis=0).reshape(weight.shape), given.sum(axis=0).reshape(weight.shape)
