"""Normalisation layers: LayerNorm."""

from __future__ import annotations

from collections.abc import Sequence

from retrograd import _core
from retrograd._core import DType, Parameter, Tensor
from retrograd.nn import functional as F
from retrograd.nn import init
from retrograd.nn._checks import check_device, check_size
from retrograd.nn.module import Module

__all__ = ["LayerNorm"]


class LayerNorm(Module):
    """Brings the last dimensions to mean 0 and variance 1, then scales by `weight` and shifts by `bias`.

    (x - mean) / sqrt(var + eps) * weight + bias, with the biased variance; mean and variance are taken over the
    dimensions `normalized_shape` names, of each example alone, in training and evaluation alike.
    Ba, Kiros and Hinton, "Layer Normalization", 2016.

    Shapes: input and output (*, *normalized_shape), weight and bias normalized_shape. An int stands for one dimension.
    `elementwise_affine=False` leaves out weight and bias, `bias=False` the bias alone.

    Raises:
        ValueError: for a negative or no size; when called, for an input whose shape does not end in normalized_shape.
        NotImplementedError: for a device that is not the CPU.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device("LayerNorm", device)
        sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        if not sizes:
            raise ValueError("LayerNorm: normalized_shape must name at least one dimension, got none")
        self.normalized_shape = tuple(check_size("LayerNorm", "normalized_shape", n) for n in sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            value = Parameter(_core.empty(*self.normalized_shape, dtype=dtype)) if there else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ones and the bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalises `input`."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Sizes, eps, and whether there are weight and bias."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
