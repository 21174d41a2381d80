"""Matrix products."""

from __future__ import annotations

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
