"""Element by element."""

from __future__ import annotations

import math

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


@forward("floor_divide")
def floor_divide(a: Array, b: Array) -> Array:
    return np.asarray(np.floor_divide(a, b))


@backward("floor_divide")
def floor_divide_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return np.zeros_like(a), np.zeros_like(b)


@forward("remainder")
def remainder(a: Array, b: Array) -> Array:
    return np.asarray(np.remainder(a, b))


@backward("remainder")
def remainder_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return unbroadcast(g, a.shape), unbroadcast(-g * np.floor_divide(a, b), b.shape)


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


@forward("rsqrt")
def rsqrt(x: Array) -> Array:
    return np.asarray(1 / np.sqrt(x))


@backward("rsqrt")
def rsqrt_backward(g: Array, x: Array) -> tuple[Array]:
    return (-g / (2 * x * np.sqrt(x)),)


@forward("reciprocal")
def reciprocal(x: Array) -> Array:
    return np.asarray(1 / x)


@backward("reciprocal")
def reciprocal_backward(g: Array, x: Array) -> tuple[Array]:
    return (-g / (x * x),)


@forward("square")
def square(x: Array) -> Array:
    return np.square(x)


@backward("square")
def square_backward(g: Array, x: Array) -> tuple[Array]:
    return (2 * g * x,)


@forward("sign")
def sign(x: Array) -> Array:
    return np.asarray(np.sign(x))


@backward("sign")
def sign_backward(g: Array, x: Array) -> tuple[Array]:
    return (np.zeros_like(x),)


@forward("clamp")
def clamp(x: Array, *, min: float, max: float, closed: bool = True) -> Array:
    return np.asarray(np.minimum(np.maximum(x, x.dtype.type(min)), x.dtype.type(max)))


@backward("clamp")
def _clamp_vjp(g: Array, x: Array, *, min: float, max: float, closed: bool) -> tuple[Array]:
    return (clamp_backward(x, g, min=min, max=max, closed=closed),)


@forward("clamp_backward")
def clamp_backward(x: Array, grad: Array, *, min: float, max: float, closed: bool) -> Array:
    inside = (x >= min) & (x <= max) if closed else (x > min) & (x < max)
    return np.where(inside, grad, 0)


@backward("clamp_backward")
def _clamp_backward_vjp(g: Array, x: Array, grad: Array, *, min: float, max: float, closed: bool) -> tuple[None, Array]:
    return None, unbroadcast(clamp_backward(x, g, min=min, max=max, closed=closed), grad.shape)


@forward("expm1")
def expm1(x: Array) -> Array:
    return np.expm1(x)


@backward("expm1")
def expm1_backward(g: Array, x: Array) -> tuple[Array]:
    return (g * np.exp(x),)


@forward("log1p")
def log1p(x: Array) -> Array:
    return np.log1p(x)


@backward("log1p")
def log1p_backward(g: Array, x: Array) -> tuple[Array]:
    return (g / (1 + x),)


# In float64, because NumPy's own float32 loses digits far out.
@forward("sin")
def sin(x: Array) -> Array:
    return np.asarray(np.sin(x.astype(np.float64)))


@backward("sin")
def sin_backward(g: Array, x: Array) -> tuple[Array]:
    return (g * np.cos(x),)


@forward("cos")
def cos(x: Array) -> Array:
    return np.asarray(np.cos(x.astype(np.float64)))


@backward("cos")
def cos_backward(g: Array, x: Array) -> tuple[Array]:
    return (-g * np.sin(x),)


@forward("erf")
def erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x)).reshape(x.shape)


@backward("erf")
def erf_backward(g: Array, x: Array) -> tuple[Array]:
    return (g * 2 / np.sqrt(np.pi) * np.exp(-x * x),)


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
