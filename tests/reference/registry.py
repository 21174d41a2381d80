"""The table of references, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Forward = Callable[..., Any]
Backward = Callable[..., tuple[Array | None, ...]]


@dataclass
class Reference:
    """An op in NumPy.

    `forward(*operands, **attributes)` gives the output, or a tuple of outputs and overwritten operands.
    `backward(gradient, *operands, **attributes)` gives a gradient for each operand, None where there is none.
    """

    forward: Forward
    backward: Backward | None = None


REFERENCES: dict[str, Reference] = {}


def forward(name: str) -> Callable[[Forward], Forward]:
    """Makes the function the reference of the op `name`."""

    def register(function: Forward) -> Forward:
        assert name not in REFERENCES, name
        REFERENCES[name] = Reference(function)
        return function

    return register


def backward(name: str) -> Callable[[Backward], Backward]:
    """Makes the function the vector-Jacobian product of the op `name`."""

    def register(function: Backward) -> Backward:
        assert REFERENCES[name].backward is None, name
        REFERENCES[name].backward = function
        return function

    return register


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sums over the dimensions along which an operand of `shape` was repeated."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=repeated, keepdims=True) if repeated else gradient
