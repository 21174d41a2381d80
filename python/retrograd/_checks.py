"""A check that functions written in Python share; those written in Rust make their own."""

from __future__ import annotations

from retrograd._core import Tensor

__all__ = ["check_tensor"]


def check_tensor(where: str, name: str, value: object) -> None:
    """Raises TypeError unless `value` is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{where}: {name} must be a Tensor, not {type(value).__name__}")
