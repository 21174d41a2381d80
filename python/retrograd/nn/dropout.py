"""Dropout."""

from __future__ import annotations

from retrograd._core import Tensor
from retrograd.nn import functional as F
from retrograd.nn._checks import unsupported
from retrograd.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, zeroes each element with probability `p` and scales the others by 1/(1-p); else the identity.

    Any shape. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014. The same
    seed gives the same mask on every machine, at every number of threads.

    Raises:
        ValueError: when `p` is not in [0, 1].
        NotImplementedError: for `inplace=True`.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be between 0 and 1, got {p}")
        if inplace:
            unsupported("Dropout", "inplace", inplace, "leave it out, the numbers are the same")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """Drops elements of `input` when in training mode."""
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
