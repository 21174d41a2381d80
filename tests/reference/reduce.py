"""Reductions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference.registry import Array, backward, forward

Dims = int | tuple[int, ...] | list[int] | None


def axes(dims: Dims) -> tuple[int, ...] | None:
    """Dimensions as NumPy wants them."""
    if dims is None:
        return None
    return (dims,) if isinstance(dims, int) else tuple(dims)


def _restored(y: Array, x: Array, dims: Dims, keepdim: bool) -> Array:
    """A reduced array with its reduced dimensions back, of extent one."""
    if keepdim:
        return y
    every = range(x.ndim) if dims is None else [d % x.ndim for d in axes(dims) or ()]
    return y.reshape([1 if i in every else n for i, n in enumerate(x.shape)])


@forward("sum")
def sum(x: Array, *, dims: Dims = None, keepdim: bool = False) -> Array:
    return np.asarray(x.sum(axis=axes(dims), keepdims=keepdim, dtype=x.dtype))


@backward("sum")
def sum_backward(g: Array, x: Array, *, dims: Dims = None, keepdim: bool = False) -> tuple[Array]:
    return (np.broadcast_to(_restored(g, x, dims, keepdim), x.shape),)


def _share(g: Array, x: Array, extreme: Array, dims: Dims, keepdim: bool) -> tuple[Array]:
    """Tied winners share the gradient."""
    won = x == extreme
    return (won / won.sum(axis=axes(dims), keepdims=True) * _restored(g, x, dims, keepdim),)


@forward("max")
def max(x: Array, *, dims: Dims = None, keepdim: bool = False) -> Array:
    return np.asarray(x.max(axis=axes(dims), keepdims=keepdim))


@backward("max")
def max_backward(g: Array, x: Array, *, dims: Dims = None, keepdim: bool = False) -> tuple[Array]:
    return _share(g, x, x.max(axis=axes(dims), keepdims=True), dims, keepdim)


@forward("min")
def min(x: Array, *, dims: Dims = None, keepdim: bool = False) -> Array:
    return np.asarray(x.min(axis=axes(dims), keepdims=keepdim))


@backward("min")
def min_backward(g: Array, x: Array, *, dims: Dims = None, keepdim: bool = False) -> tuple[Array]:
    return _share(g, x, x.min(axis=axes(dims), keepdims=True), dims, keepdim)


def _position(pick: Callable[..., Array], x: Array, dims: Dims, keepdim: bool) -> Array:
    """The position among the elements of `dims`, counted in row-major order over them."""
    over = [d % x.ndim for d in axes(dims) or ()]
    kept = [d for d in range(x.ndim) if d not in over]
    rows = x.transpose([*kept, *over]).reshape([x.shape[d] for d in kept] + [-1])
    result = pick(rows, axis=-1)
    return np.asarray(
        result.reshape([1 if d in over else n for d, n in enumerate(x.shape)] if keepdim else result.shape)
    )


@forward("argmax")
def argmax(x: Array, *, dims: Dims = None, keepdim: bool = False) -> Array:
    return _position(np.argmax, x, dims, keepdim)


@forward("argmin")
def argmin(x: Array, *, dims: Dims = None, keepdim: bool = False) -> Array:
    return _position(np.argmin, x, dims, keepdim)
