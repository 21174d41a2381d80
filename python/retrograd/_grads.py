"""Forgetting gradients, as `Module.zero_grad` and `Optimizer.zero_grad` both do."""

from __future__ import annotations

from collections.abc import Iterable

from retrograd._core import Tensor, drop_grads

__all__ = ["forget"]


def forget(params: Iterable[Tensor], set_to_none: bool) -> None:
    """Drops the gradient of every parameter, or fills it with zeros, cut from its history."""
    if set_to_none:
        drop_grads(params)
        return
    for param in params:
        grad = param.grad
        if grad is not None:
            param.grad = grad.detach().zero_()
