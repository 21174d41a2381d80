"""Linear layers: Linear and Identity."""

from __future__ import annotations

import math
from typing import Any

from retrograd import _core
from retrograd._core import DType, Parameter, Tensor
from retrograd.nn import functional as F
from retrograd.nn import init
from retrograd.nn._checks import check_device, check_size
from retrograd.nn.module import Module

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Returns its input; takes and forgets any arguments, so that it can stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Returns `input` itself."""
        return input


class Linear(Module):
    """The affine map `input @ weight.T + bias`.

    Shapes: input (*, in_features), output (*, out_features), weight (out_features, in_features), bias (out_features,).
    Weight and bias start uniform in ±1/sqrt(in_features), as in torch: Kaiming's rule with a = sqrt(5)
    (He et al., "Delving Deep into Rectifiers", 2015).

    Raises:
        ValueError: for a negative size; when called, for an input whose last extent is not in_features.
        NotImplementedError: for a device that is not the CPU.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device("Linear", device)
        self.in_features = check_size("Linear", "in_features", in_features)
        self.out_features = check_size("Linear", "out_features", out_features)
        self.weight = Parameter(_core.empty(out_features, in_features, dtype=dtype))
        if bias:
            self.bias = Parameter(_core.empty(out_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias afresh."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Applies the map to the last dimension of `input`."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
