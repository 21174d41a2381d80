"""Losses."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward

IGNORE = -100


def log_softmax(x: Array) -> Array:
    """Along the last dimension."""
    shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def cross_entropy(logits: Array, target: Array, ignore_index: int = IGNORE, reduction: str = "mean") -> Array:
    """-log softmax(logits)[target], over the rows whose target is not ignored."""
    used = target != ignore_index
    each = np.zeros(target.shape)
    for row in np.argwhere(used):
        each[tuple(row)] = -log_softmax(logits[tuple(row)])[target[tuple(row)]]
    if reduction == "none":
        return each
    total = each.sum()
    with np.errstate(invalid="ignore"):
        return np.asarray(total / used.sum() if reduction == "mean" else total)


def cross_entropy_grad(
    logits: Array, target: Array, ignore_index: int = IGNORE, reduction: str = "mean", g: Array | float = 1.0
) -> Array:
    """The gradient in the logits: softmax minus one-hot, for every row that counts."""
    used = target != ignore_index
    grad = np.exp(log_softmax(logits))
    for row in np.argwhere(used):
        grad[(*row, target[tuple(row)])] -= 1
    scale = np.broadcast_to(np.asarray(g, np.float64), target.shape) * used
    if reduction == "mean":
        scale = scale / used.sum()
    return np.asarray(grad * scale[..., None])


def _log_sum_exp(x: Array) -> Array:
    top = x.max(axis=-1, initial=-np.inf)
    return np.asarray(top + np.log(np.exp(x - top[..., None]).sum(axis=-1)))


@forward("cross_entropy")
def _cross_entropy_op(x: Array, target: Array, *, ignore_index: int, reduction: str) -> tuple[Array, Array]:
    """The op's second output, kept for its gradient, is the logarithm of each row's sum of exponentials."""
    return cross_entropy(x, target, ignore_index, reduction), _log_sum_exp(x)


@backward("cross_entropy")
def _cross_entropy_vjp(g: Array, x: Array, target: Array, *, ignore_index: int, reduction: str) -> tuple[Array, None]:
    return cross_entropy_grad(x, target, ignore_index, reduction, g), None


@forward("cross_entropy_backward")
def _cross_entropy_backward_op(
    grad: Array, x: Array, target: Array, lse: Array, *, ignore_index: int, reduction: str
) -> Array:
    """From a given logarithm of the sum of exponentials, which need not be that of `x`."""
    used = target != ignore_index
    result = np.exp(x - lse[:, None])
    result[np.flatnonzero(used), target[used]] -= 1
    scale = np.broadcast_to(grad, target.shape) * used
    if reduction == "mean":
        scale = scale / used.sum()
    return np.asarray(result * scale[:, None])


def mse_loss(x: Array, y: Array) -> Array:
    """The mean squared difference."""
    return np.asarray(np.square(x - y).mean())


def mse_loss_grad(x: Array, y: Array) -> Array:
    """The gradient in `x`."""
    return 2 * (x - y) / x.size
