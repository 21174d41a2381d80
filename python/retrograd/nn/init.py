"""Initial values for parameters, in place, outside of autograd."""

from __future__ import annotations

import math

from retrograd import _core
from retrograd._checks import check_tensor
from retrograd._core import Tensor
from retrograd.nn._checks import unsupported

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    **dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the scale of activations through a nonlinearity.

    `param` is the negative slope of "leaky_relu", 0.01 when left out.

    Raises:
        ValueError: for an unknown nonlinearity.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: nonlinearity must be leaky_relu or one of {', '.join(_GAINS)}, got {nonlinearity!r}"
        )
    return _GAINS[nonlinearity]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills `tensor` with `val`; returns it."""
    check_tensor("constant_", "tensor", tensor)
    with _core.no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills `tensor` with 0; returns it."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fills `tensor` with 1; returns it."""
    return constant_(tensor, 1.0)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: object = None) -> Tensor:
    """Draws from the uniform distribution on [a, b); returns `tensor`."""
    _no_generator("uniform_", generator)
    check_tensor("uniform_", "tensor", tensor)
    with _core.no_grad():
        return tensor.uniform_(a, b)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: object = None) -> Tensor:
    """Draws from the normal distribution; returns `tensor`."""
    _no_generator("normal_", generator)
    check_tensor("normal_", "tensor", tensor)
    with _core.no_grad():
        return tensor.normal_(mean, std)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: object = None) -> Tensor:
    """Uniform in ±gain*sqrt(6/(fan_in+fan_out)); returns `tensor`.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Raises:
        ValueError: for a tensor of fewer than two dimensions.
    """
    bound = math.sqrt(3.0) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: object = None) -> Tensor:
    """Normal with standard deviation gain*sqrt(2/(fan_in+fan_out)); returns `tensor`.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Raises:
        ValueError: for a tensor of fewer than two dimensions.
    """
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: object = None,
) -> Tensor:
    """Uniform in ±gain*sqrt(3/fan); returns `tensor`.

    He et al., "Delving Deep into Rectifiers", 2015. `a` is the negative slope of the rectifier after this layer.

    Raises:
        ValueError: for a tensor of fewer than two dimensions, an unknown mode or nonlinearity.
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: object = None,
) -> Tensor:
    """Normal with standard deviation gain/sqrt(fan); returns `tensor`.

    He et al., "Delving Deep into Rectifiers", 2015. `a` is the negative slope of the rectifier after this layer.

    Raises:
        ValueError: for a tensor of fewer than two dimensions, an unknown mode or nonlinearity.
    """
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def _xavier_std(where: str, tensor: Tensor, gain: float) -> float:
    fans = sum(_fans(where, tensor))
    # Nothing to draw: any scale will do.
    return gain * math.sqrt(2.0 / fans) if fans else 0.0


def _kaiming_std(where: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode not in modes:
        raise ValueError(f"{where}: mode must be fan_in or fan_out, got {mode!r}")
    fan = _fans(where, tensor)[modes.index(mode)]
    gain = calculate_gain(nonlinearity, a)
    return gain / math.sqrt(fan) if fan else 0.0


def _fans(where: str, tensor: Tensor) -> tuple[int, int]:
    """Inputs an output sees, and outputs an input reaches: dims are (out, in, *window)."""
    check_tensor(where, "tensor", tensor)
    if tensor.ndim < 2:
        raise ValueError(f"{where}: needs a tensor of at least two dimensions, got shape {tuple(tensor.shape)}")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _no_generator(where: str, generator: object) -> None:
    if generator is not None:
        unsupported(where, "generator", generator, "seed with retrograd.manual_seed")
