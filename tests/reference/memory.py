"""Copies and fills."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward, unbroadcast


@forward("clone")
def clone(x: Array) -> Array:
    return x.copy()


@backward("clone")
def clone_backward(g: Array, x: Array) -> tuple[Array]:
    return (g,)


@forward("copy_into")
def copy_into(x: Array, source: Array) -> Array:
    return np.broadcast_to(source, x.shape).astype(x.dtype)


@backward("copy_into")
def copy_into_backward(g: Array, x: Array, source: Array) -> tuple[Array, Array]:
    return np.zeros_like(x), unbroadcast(g, source.shape)


@forward("fill")
def fill(x: Array, *, value: float) -> Array:
    return np.full_like(x, value)


@backward("fill")
def fill_backward(g: Array, x: Array, *, value: float) -> tuple[Array]:
    return (np.zeros_like(x),)
