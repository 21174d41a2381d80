"""Layers and losses as functions, with torch's names and argument orders."""

from __future__ import annotations

import math
import warnings

from retrograd import _core
from retrograd._checks import check_tensor
from retrograd._core import DType, Tensor, elu, gelu, hardtanh, layer_norm, leaky_relu, linear, softplus
from retrograd.nn._checks import unsupported

__all__ = [
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "hardtanh",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mse_loss",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

# The methods themselves: nothing stands between the call and Rust.
sigmoid = Tensor.sigmoid
tanh = Tensor.tanh

_REDUCTIONS = ("mean", "sum", "none")


def check_reduction(where: str, size_average: bool | None, reduce: bool | None, reduction: str) -> None:
    """Accepts torch's three reductions; refuses its two deprecated arguments."""
    if size_average is None and reduce is None and reduction in _REDUCTIONS:
        return
    for name, value in (("size_average", size_average), ("reduce", reduce)):
        if value is not None:
            unsupported(where, name, value, 'write reduction="mean", "sum" or "none"')
    raise ValueError(f"{where}: reduction must be one of {', '.join(_REDUCTIONS)}, got {reduction!r}")


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x), element by element; `inplace` writes it over `input`."""
    check_tensor("relu", "input", input)
    return input.relu_() if inplace else input.relu()


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6), element by element. Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010.

    Raises:
        TypeError: for a tensor that is not of floating-point numbers.
        NotImplementedError: for `inplace=True`.
    """
    if inplace:
        unsupported("relu6", "inplace", inplace, "leave it out, the numbers are the same")
    return hardtanh(input, 0.0, 6.0)


def logsigmoid(input: Tensor) -> Tensor:
    """The logarithm of the logistic function, -log(1 + exp(-x)), element by element, exact where that is nearly 1 or 0.

    Raises:
        TypeError: for a tensor that is not of floating-point numbers.
    """
    check_tensor("logsigmoid", "input", input)
    return -softplus(-input, 1.0, math.inf)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """The SiLU, x * sigmoid(x), element by element. Elfwing et al., "Sigmoid-weighted linear units", 2018.

    Raises:
        NotImplementedError: for `inplace=True`.
    """
    check_tensor("silu", "input", input)
    if inplace:
        unsupported("silu", "inplace", inplace, "leave it out, the numbers are the same")
    return input.silu()


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes elements with probability `p` and scales the others by 1/(1-p); the identity unless `training`.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Raises:
        ValueError: when `p` is not in [0, 1].
        NotImplementedError: for `inplace=True`.
    """
    if inplace:
        unsupported("dropout", "inplace", inplace, "leave it out, the numbers are the same")
    return _core.dropout(input, p, training)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`, shifted by the maximum so that it cannot overflow; cast to `dtype` before.

    Raises:
        TypeError: for a tensor of integers without a `dtype`.
        NotImplementedError: when `dim` is left out (torch guesses it and warns).
        IndexError: for a dimension that is not there.
    """
    dim = _dim("softmax", input, dim)
    return input.softmax(dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """The logarithm of softmax, x - log(sum(exp(x))) along `dim`; cast to `dtype` before. It cannot overflow.

    Raises:
        TypeError: for a tensor of integers without a `dtype`.
        NotImplementedError: when `dim` is left out (torch guesses it and warns).
        IndexError: for a dimension that is not there.
    """
    dim = _dim("log_softmax", input, dim)
    return input.log_softmax(dim, dtype)


def _dim(where: str, input: Tensor, dim: int | None) -> int:
    check_tensor(where, "input", input)
    if dim is None:
        unsupported(where, "dim", dim, "say which dimension, such as dim=-1")
    return dim


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between logits and class indices: -log(softmax(input))[target].

    Shapes: input (N, C) or (C,), target int64 (N,) or (), output scalar, or the target's with reduction="none".
    Targets equal to `ignore_index` count neither in the sum nor in the mean.

    Raises:
        IndexError: for a target outside 0 to C-1 that is not `ignore_index`.
        ValueError: when the shapes do not fit, or for an unknown reduction.
        NotImplementedError: for `weight`, `label_smoothing` and the deprecated `size_average` and `reduce`.
    """
    if weight is not None:
        unsupported("cross_entropy", "weight", weight, "leave it out")
    if label_smoothing:
        unsupported("cross_entropy", "label_smoothing", label_smoothing, "leave it out")
    check_reduction("cross_entropy", size_average, reduce, reduction)
    return _core.cross_entropy(input, target, ignore_index, reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean (or sum) of squared differences; output scalar, or the input's shape with reduction="none".

    Warns, as torch does, when the shapes differ: they broadcast, which is seldom meant.

    Raises:
        ValueError: when the shapes do not broadcast, or for an unknown reduction.
        NotImplementedError: for `weight` and the deprecated `size_average` and `reduce`.
    """
    if weight is not None:
        unsupported("mse_loss", "weight", weight, "leave it out")
    check_reduction("mse_loss", size_average, reduce, reduction)
    check_tensor("mse_loss", "input", input)
    check_tensor("mse_loss", "target", target)
    if input.shape != target.shape:
        warnings.warn(
            f"mse_loss: the target's shape {tuple(target.shape)} differs from the input's {tuple(input.shape)}: "
            "they will broadcast, which is seldom meant. Give both the same shape.",
            stacklevel=2,
        )
    difference = input - target
    square = difference * difference
    if reduction == "mean":
        return square.mean()
    return square.sum() if reduction == "sum" else square
