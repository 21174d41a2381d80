"""Gathering and scattering, by loops over every index: slow and plain."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward


@forward("gather")
def gather(x: Array, index: Array, *, dim: int) -> Array:
    result = np.zeros(index.shape, x.dtype)
    for at in np.ndindex(index.shape):
        result[at] = x[_moved(at, dim, int(index[at]))]
    return result


@backward("gather")
def gather_backward(g: Array, x: Array, index: Array, *, dim: int) -> tuple[Array, None]:
    return scatter_add(np.zeros_like(x), index, g, dim=dim), None


@forward("scatter_add")
def scatter_add(x: Array, index: Array, source: Array, *, dim: int) -> Array:
    result = x.copy()
    for at in np.ndindex(index.shape):
        result[_moved(at, dim, int(index[at]))] += source[at]
    return result


@backward("scatter_add")
def scatter_add_backward(g: Array, x: Array, index: Array, source: Array, *, dim: int) -> tuple[Array, None, Array]:
    to_source = np.zeros_like(source)
    # Only the part of the source that the index covers is used.
    for at in np.ndindex(index.shape):
        to_source[at] = g[_moved(at, dim, int(index[at]))]
    return g, None, to_source


@forward("index_select")
def index_select(x: Array, index: Array, *, dim: int) -> Array:
    return np.take(x, index, axis=dim)


@backward("index_select")
def index_select_backward(g: Array, x: Array, index: Array, *, dim: int) -> tuple[Array, None]:
    return index_add(np.zeros_like(x), index, g, dim=dim), None


@forward("index_add")
def index_add(x: Array, index: Array, source: Array, *, dim: int) -> Array:
    result = np.moveaxis(x.copy(), dim, 0)
    for at, part in zip(index, np.moveaxis(source, dim, 0), strict=True):
        result[at] += part
    return np.moveaxis(result, 0, dim)


@backward("index_add")
def index_add_backward(g: Array, x: Array, index: Array, source: Array, *, dim: int) -> tuple[Array, None, Array]:
    return g, None, np.take(g, index, axis=dim)


def _moved(at: tuple[int, ...], dim: int, to: int) -> tuple[int, ...]:
    place = list(at)
    place[dim] = to
    return tuple(place)
