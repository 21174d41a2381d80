"""Activations, element by element (ReLU, GELU, Softplus and so on) and along a dimension (Softmax, LogSoftmax)."""

from __future__ import annotations

from retrograd._core import Tensor
from retrograd.nn import functional as F
from retrograd.nn._checks import unsupported
from retrograd.nn.module import Module

__all__ = [
    "ELU",
    "GELU",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class ReLU(Module):
    """max(0, x), element by element; NaN stays NaN; `inplace` writes it over the input. Any shape."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return input.relu_() if self.inplace else input.relu()

    def extra_repr(self) -> str:
        """Whether it is in place."""
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """The hyperbolic tangent, element by element. Any shape."""

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return input.tanh()


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element. Any shape."""

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.sigmoid(input)


class SiLU(Module):
    """x * sigmoid(x), element by element. Any shape. Elfwing et al., "Sigmoid-weighted linear units", 2018.

    Raises:
        NotImplementedError: for `inplace=True`.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        if inplace:
            unsupported("SiLU", "inplace", inplace, "leave it out, the numbers are the same")

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return input.silu()


class LeakyReLU(Module):
    """x above zero, else negative_slope times x, element by element. Any shape.

    Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.

    Raises:
        NotImplementedError: when called, for `inplace=True`.
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x above zero, else alpha (exp(x) - 1), element by element. Any shape.

    Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)", 2015.

    Raises:
        NotImplementedError: when called, for `inplace=True`.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """What it tends to far to the left, negated."""
        return f"alpha={self.alpha}"


class Hardtanh(Module):
    """min(max(x, min_val), max_val), element by element; the gradient is 0 at the bounds themselves. Any shape.

    Raises:
        ValueError: when called, where min_val is above max_val.
        NotImplementedError: when called, for `inplace=True`.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The bounds."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Hardtanh):
    """min(max(0, x), 6), element by element. Any shape.

    Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010.

    Raises:
        NotImplementedError: when called, for `inplace=True`.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """Nothing: the bounds are known."""
        return ""


class LogSigmoid(Module):
    """-log(1 + exp(-x)), the logarithm of the logistic function, element by element. Any shape."""

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.logsigmoid(input)


class GELU(Module):
    """The Gaussian error linear unit, x times the normal distribution function of x, element by element. Any shape.

    `approximate="tanh"` takes the formula 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
    Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016.

    Raises:
        ValueError: when called, for an `approximate` that is neither "none" nor "tanh".
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Which formula."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, a smooth form of ReLU, element by element. Any shape.

    Where beta x > threshold it is x itself, so that nothing overflows.
    Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2001.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Both numbers."""
        return f"beta={self.beta}, threshold={self.threshold}"


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if dim is None:
            unsupported(type(self).__name__, "dim", dim, "say which dimension, such as dim=-1")
        self.dim = dim

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(x) / sum(exp(x)) along `dim`, shifted by the maximum so that it cannot overflow. Any shape.

    Raises:
        NotImplementedError: when `dim` is left out (torch guesses it and warns).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """x - log(sum(exp(x))) along `dim`, shifted by the maximum so that it cannot overflow. Any shape.

    Raises:
        NotImplementedError: when `dim` is left out (torch guesses it and warns).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Applies it to `input`."""
        return F.log_softmax(input, self.dim)
