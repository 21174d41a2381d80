"""Forgetting gradients, as `Module.zero_grad` and `Optimizer.zero_grad` both do."""

from __future__ import annotations

from collections.abc import Iterable

from retrograd._core import Tensor

__all__ = ["forget"]


def forget(params: Iterable[Tensor], set_to_none: bool) -> None:
    """Drops the gradient of every parameter, or fills it with zeros, cut from its history."""
    for param in params:
        if set_to_none:
            # Without looking first: a recording would have to assume what was seen.
            param.grad = None
            continue
        grad = param.grad
        if grad is not None:
            param.grad = grad.detach().zero_()
