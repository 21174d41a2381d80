"""Flatten."""

from __future__ import annotations

from retrograd._core import Tensor
from retrograd.nn.module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Joins the dimensions `start_dim` to `end_dim` into one; by default all but the first, the batch.

    Raises:
        IndexError: when called, for a dimension the input does not have.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Flattens `input`."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
