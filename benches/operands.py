"""Operands lie alike for all peers.

NumPy's arrays begin anywhere in a cache line, by process, and vectors that lie across two lines take twice the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["operand"]

LINE = 64


def operand(package: Any, array: np.ndarray[Any, Any]) -> Any:
    """A copy that begins with a cache line: a tensor over it if the package has `from_numpy`, else an array."""
    room = np.empty(array.nbytes + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    placed = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return package.from_numpy(placed) if hasattr(package, "from_numpy") else placed
