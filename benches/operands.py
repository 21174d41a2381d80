"""What is measured lies alike for all: NumPy's arrays begin anywhere in a cache line, by process, and vectors that lie
across two lines take twice the time."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LINE", "operand"]

LINE = 64


def operand(package: Any, array: np.ndarray[Any, Any]) -> Any:
    """The array, from where a cache line begins, as the package's own kind of array: a tensor that shares its memory, if the
    package has a `from_numpy`, else the array."""
    room = np.empty(array.nbytes + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    placed = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return getattr(package, "from_numpy", lambda array: array)(placed)
