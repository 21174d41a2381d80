"""Function transformations."""

from __future__ import annotations

from retrograd._core import vmap

__all__ = ["vmap"]
