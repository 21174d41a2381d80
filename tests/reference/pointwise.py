"""Element by element."""

from __future__ import annotations

import numpy as np

from reference.registry import Array, backward, forward, unbroadcast


@forward("add")
def add(a: Array, b: Array) -> Array:
    return a + b


@backward("add")
def add_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return unbroadcast(g, a.shape), unbroadcast(g, b.shape)


@forward("sub")
def sub(a: Array, b: Array) -> Array:
    return a - b


@backward("sub")
def sub_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return unbroadcast(g, a.shape), unbroadcast(-g, b.shape)


@forward("mul")
def mul(a: Array, b: Array) -> Array:
    return a * b


@backward("mul")
def mul_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape)


@forward("div")
def div(a: Array, b: Array) -> Array:
    return a / b


@backward("div")
def div_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return unbroadcast(g / b, a.shape), unbroadcast(-g * a / (b * b), b.shape)


@forward("pow")
def pow(a: Array, b: Array) -> Array:
    return np.power(a, b)


@backward("pow")
def pow_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    to_base = np.where(b == 0, 0.0, b * np.power(a, b - 1))
    to_exponent = np.power(a, b) * np.log(np.where(a > 0, a, 1.0))
    return unbroadcast(g * to_base, a.shape), unbroadcast(g * to_exponent, b.shape)


@forward("maximum")
def maximum(a: Array, b: Array) -> Array:
    return np.maximum(a, b)


@backward("maximum")
def maximum_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    share = np.where(a == b, 0.5, a > b)  # A tie shares the gradient.
    return unbroadcast(g * share, a.shape), unbroadcast(g * (1 - share), b.shape)


@forward("minimum")
def minimum(a: Array, b: Array) -> Array:
    return np.minimum(a, b)


@backward("minimum")
def minimum_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    share = np.where(a == b, 0.5, a < b)
    return unbroadcast(g * share, a.shape), unbroadcast(g * (1 - share), b.shape)


@forward("neg")
def neg(x: Array) -> Array:
    return -x


@backward("neg")
def neg_backward(g: Array, x: Array) -> tuple[Array]:
    return (-g,)


@forward("abs")
def abs(x: Array) -> Array:
    return np.abs(x)


@backward("abs")
def abs_backward(g: Array, x: Array) -> tuple[Array]:
    return (g * np.sign(x),)


@forward("exp")
def exp(x: Array) -> Array:
    return np.exp(x)


@backward("exp")
def exp_backward(g: Array, x: Array) -> tuple[Array]:
    return (g * np.exp(x),)


@forward("log")
def log(x: Array) -> Array:
    return np.log(x)


@backward("log")
def log_backward(g: Array, x: Array) -> tuple[Array]:
    return (g / x,)


@forward("sqrt")
def sqrt(x: Array) -> Array:
    return np.sqrt(x)


@backward("sqrt")
def sqrt_backward(g: Array, x: Array) -> tuple[Array]:
    return (g / (2 * np.sqrt(x)),)


@forward("tanh")
def tanh(x: Array) -> Array:
    return np.tanh(x)


@backward("tanh")
def _tanh_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g / np.cosh(x) ** 2,)


@forward("tanh_backward")
def tanh_backward(output: Array, grad: Array) -> Array:
    return np.asarray(grad * (1 - output * output))


@backward("tanh_backward")
def _tanh_backward_vjp(g: Array, output: Array, grad: Array) -> tuple[Array, Array]:
    to_output, to_grad = -2 * g * grad * output, g * (1 - output * output)
    return unbroadcast(to_output, output.shape), unbroadcast(to_grad, grad.shape)


@forward("sigmoid")
def sigmoid(x: Array) -> Array:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


@backward("sigmoid")
def _sigmoid_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g * sigmoid(x) * sigmoid(-x),)


@forward("sigmoid_backward")
def sigmoid_backward(output: Array, grad: Array) -> Array:
    return np.asarray(grad * output * (1 - output))


@backward("sigmoid_backward")
def _sigmoid_backward_vjp(g: Array, output: Array, grad: Array) -> tuple[Array, Array]:
    to_output, to_grad = g * grad * (1 - 2 * output), g * output * (1 - output)
    return unbroadcast(to_output, output.shape), unbroadcast(to_grad, grad.shape)


@forward("silu")
def silu(x: Array) -> Array:
    return np.asarray(np.where(x == -np.inf, 0, x) * sigmoid(x))  # The limit, where torch has NaN.


@backward("silu")
def _silu_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g * sigmoid(x) * (1 + x * sigmoid(-x)),)


@forward("relu")
def relu(x: Array) -> Array:
    return np.maximum(x, 0)


@backward("relu")
def _relu_vjp(g: Array, x: Array) -> tuple[Array]:
    return (g * (x > 0),)


@forward("relu_backward")
def relu_backward(output: Array, grad: Array) -> Array:
    return np.where(output > 0, grad, 0)


@backward("relu_backward")
def _relu_backward_vjp(g: Array, output: Array, grad: Array) -> tuple[None, Array]:
    return None, unbroadcast(np.where(output > 0, g, 0), grad.shape)


_COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@forward("compare")
def compare(a: Array, b: Array, *, kind: str) -> Array:
    result: Array = _COMPARISONS[kind](a, b)
    return result


@forward("cast")
def cast(x: Array, *, dtype: str) -> Array:
    if dtype == "bfloat16":
        return _to_bfloat16(x)
    return x.astype(dtype)


def _to_bfloat16(x: Array) -> Array:
    """The upper half of a float32, rounded to the nearest, ties to even; NaN stays NaN."""
    words = x.astype(np.float32).view(np.uint32)
    rounded = (words + 0x7FFF + ((words >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), np.float32("nan"), rounded.view(np.float32))


@backward("cast")
def cast_backward(g: Array, x: Array, *, dtype: str) -> tuple[Array | None]:
    return (g if dtype.startswith(("float", "bfloat")) else None,)
