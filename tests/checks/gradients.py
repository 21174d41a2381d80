"""Checks derivatives against central differences, to any order, by recursion: the gradient is a function too.

`test_checker.py` plants wrong gradients that this must find.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import retrograd as rg
from numpy.typing import NDArray
from retrograd import Tensor

Array = NDArray[Any]
Function = Callable[..., Tensor | Sequence[Tensor]]

STEP = 1e-6
RELATIVE = 2e-6
ABSOLUTE = 1e-8
MOST = 40  # elements moved of a large array


def check_gradients(f: Function, arrays: Sequence[Array], order: int = 2, seed: int = 0) -> None:
    """Asserts that the derivatives of `f` at `arrays` (float64) are right up to `order`.

    `f` takes tensors and gives one or several. Every element of every argument is moved; the outputs are weighted by
    random numbers, so that no two errors cancel.
    """
    rng = np.random.default_rng(seed)
    _check(f, [np.array(a, np.float64) for a in arrays], order, rng, "")


def _check(f: Function, arrays: list[Array], order: int, rng: np.random.Generator, where: str) -> None:
    outputs = _arrays(_call(f, [rg.tensor(a) for a in arrays]))
    weights = [np.asarray(rng.standard_normal(y.shape)) for y in outputs]
    found = gradient(f, arrays, weights)
    scale = max([1.0, *(float(np.abs(g).max(initial=0)) for g in found)])
    for i, (array, got) in enumerate(zip(arrays, found, strict=True)):
        at = _places(array.shape, rng)
        wanted = _central_differences(f, arrays, i, at, weights)
        assert got.shape == array.shape, f"{where}argument {i}: gradient of shape {got.shape} for {array.shape}"
        np.testing.assert_allclose(
            got[at], wanted, rtol=RELATIVE, atol=ABSOLUTE * scale, err_msg=f"{where}gradient of argument {i}"
        )
    if order > 1:
        n = len(arrays)

        def first(*args: Tensor) -> Sequence[Tensor]:
            return _gradient_tensors(f, args[:n], args[n:], create_graph=True)

        _check(first, [*arrays, *weights], order - 1, rng, f"{where}derivative of the ")


def gradient(f: Function, arrays: Sequence[Array], weights: Sequence[Array]) -> list[Array]:
    """The gradient of sum(weights * f(arrays)), as the engine has it."""
    grads = _gradient_tensors(f, [rg.tensor(a) for a in arrays], [rg.tensor(w) for w in weights])
    return _arrays(grads)


def _gradient_tensors(
    f: Function, args: Sequence[Tensor], weights: Sequence[Tensor], create_graph: bool = False
) -> list[Tensor]:
    args = [a if a.requires_grad else a.detach().requires_grad_() for a in args]
    outputs = _listed(f(*args))
    used = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
    if not used:
        return [rg.zeros_like(a) for a in args]
    grads = rg.autograd.grad(
        [y for y, _ in used], args, [w for _, w in used], create_graph=create_graph, allow_unused=True
    )
    return [rg.zeros_like(a) if g is None else g for a, g in zip(args, grads, strict=True)]


def _places(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, ...]:
    """Which elements to move: all of a small array, some of a large one."""
    n = math.prod(shape)
    flat = np.arange(n) if n <= MOST else np.sort(rng.choice(n, MOST, replace=False))
    return np.unravel_index(flat, shape) if shape else ()


def _central_differences(
    f: Function, arrays: list[Array], i: int, places: tuple[Array, ...], weights: Sequence[Array]
) -> Array:
    slopes = []
    for at in zip(*places, strict=True) if places else [()]:
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[i][at] += sign * STEP
            outputs = _arrays(_call(f, [rg.tensor(a) for a in moved]))
            sides.append(sum(float((w * y).sum()) for w, y in zip(weights, outputs, strict=True)))
        slopes.append((sides[0] - sides[1]) / (2 * STEP))
    return np.array(slopes) if places else np.array(slopes[0])


def _call(f: Function, args: Sequence[Tensor]) -> Sequence[Tensor]:
    return _listed(f(*args))


def _listed(outputs: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else outputs


def _arrays(tensors: Sequence[Tensor]) -> list[Array]:
    return [t.detach().numpy() for t in tensors]
