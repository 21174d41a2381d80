"""Losses: CrossEntropyLoss and MSELoss."""

from __future__ import annotations

from retrograd._core import Tensor
from retrograd.nn import functional as F
from retrograd.nn._checks import unsupported
from retrograd.nn.module import Module

__all__ = ["CrossEntropyLoss", "MSELoss"]


class _Loss(Module):
    def __init__(self, size_average: bool | None, reduce: bool | None, reduction: str) -> None:
        super().__init__()
        F.check_reduction(type(self).__name__, size_average, reduce, reduction)
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """Cross-entropy between logits and class indices: -log(softmax(input))[target].

    Shapes: input (N, C) or (C,), target int64 (N,) or (), output scalar, or the target's with reduction="none".
    Targets equal to `ignore_index` count neither in the sum nor in the mean. See `functional.cross_entropy`.

    Raises:
        NotImplementedError: for `weight`, `label_smoothing` and the deprecated `size_average` and `reduce`.
        ValueError: for an unknown reduction.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if weight is not None:
            unsupported("CrossEntropyLoss", "weight", weight, "leave it out")
        if label_smoothing:
            unsupported("CrossEntropyLoss", "label_smoothing", label_smoothing, "leave it out")
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits `input` against class indices `target`."""
        return F.cross_entropy(input, target, ignore_index=self.ignore_index, reduction=self.reduction)


class MSELoss(_Loss):
    """The mean (or sum) of squared differences.

    Shapes: input and target (*), which should be equal; output scalar, or (*) with reduction="none".

    Raises:
        NotImplementedError: for the deprecated `size_average` and `reduce`.
        ValueError: for an unknown reduction.
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of `input` against `target`."""
        return F.mse_loss(input, target, reduction=self.reduction)
