"""Views, and writing into one."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward, unbroadcast


@forward("reshape")
def reshape(x: Array, *, shape: list[int]) -> Array:
    return x.reshape(shape)


@backward("reshape")
def reshape_backward(g: Array, x: Array, *, shape: list[int]) -> tuple[Array]:
    return (g.reshape(x.shape),)


@forward("permute")
def permute(x: Array, *, dims: list[int]) -> Array:
    return x.transpose(dims)


@backward("permute")
def permute_backward(g: Array, x: Array, *, dims: list[int]) -> tuple[Array]:
    return (g.transpose(np.argsort(dims)),)


def _key(x: Array, dim: int, start: int, step: int, len: int) -> tuple[slice | Array, ...]:
    return (*(slice(None),) * (dim % x.ndim), start + step * np.arange(len))


@forward("slice")
def slice_(x: Array, *, dim: int, start: int, step: int, len: int) -> Array:
    return x[_key(x, dim, start, step, len)]


@backward("slice")
def slice_backward(g: Array, x: Array, *, dim: int, start: int, step: int, len: int) -> tuple[Array]:
    result = np.zeros_like(x)
    result[_key(x, dim, start, step, len)] = g
    return (result,)


@forward("slice_scatter")
def slice_scatter(x: Array, source: Array, *, dim: int, start: int, step: int) -> Array:
    result = x.copy()
    result[_key(x, dim, start, step, source.shape[dim])] = source
    return result


@backward("slice_scatter")
def slice_scatter_backward(
    g: Array, x: Array, source: Array, *, dim: int, start: int, step: int
) -> tuple[Array, Array]:
    key = _key(x, dim, start, step, source.shape[dim])
    to_x = g.copy()
    to_x[key] = 0
    return to_x, g[key]


@forward("expand")
def expand(x: Array, *, shape: list[int]) -> Array:
    return np.broadcast_to(x, shape)


@backward("expand")
def expand_backward(g: Array, x: Array, *, shape: list[int]) -> tuple[Array]:
    return (unbroadcast(g, x.shape),)


@forward("cat")
def cat(*parts: Array, dim: int) -> Array:
    return np.concatenate(parts, axis=dim)


@backward("cat")
def cat_backward(g: Array, *parts: Array, dim: int) -> tuple[Array, ...]:
    ends = np.cumsum([p.shape[dim] for p in parts])[:-1]
    return tuple(np.split(g, ends, axis=dim))
