"""Choosing between two."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward, unbroadcast


@forward("where")
def where(condition: Array, a: Array, b: Array) -> Array:
    return np.where(condition, a, b)


@backward("where")
def where_backward(g: Array, condition: Array, a: Array, b: Array) -> tuple[None, Array, Array]:
    to_a, to_b = np.where(condition, g, 0), np.where(condition, 0, g)
    return None, unbroadcast(to_a, a.shape), unbroadcast(to_b, b.shape)
