"""Functions of tensors that are also their methods: `retrograd.exp(x)` is `x.exp()`.

Each is the method itself, taken from the class: nothing stands between the call and Rust.
"""

from __future__ import annotations

from retrograd import _core
from retrograd._checks import check_tensor
from retrograd._core import DType, Tensor

__all__ = [
    "abs",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "chunk",
    "clamp",
    "clip",
    "clone",
    "cos",
    "detach",
    "div",
    "erf",
    "exp",
    "expm1",
    "flatten",
    "floor_divide",
    "gather",
    "index_select",
    "is_tensor",
    "log",
    "log1p",
    "log_softmax",
    "masked_fill",
    "matmul",
    "max",
    "mean",
    "min",
    "mm",
    "movedim",
    "mul",
    "neg",
    "numel",
    "permute",
    "pow",
    "rand_like",
    "randn_like",
    "reciprocal",
    "relu",
    "remainder",
    "reshape",
    "rsqrt",
    "scatter_add",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "std",
    "sub",
    "sum",
    "t",
    "tanh",
    "transpose",
    "unbind",
    "unsqueeze",
    "var",
]

abs = Tensor.abs
add = Tensor.__add__
all = Tensor.all
amax = Tensor.amax
amin = Tensor.amin
any = Tensor.any
argmax = Tensor.argmax
chunk = Tensor.chunk
clamp = Tensor.clamp
clip = Tensor.clip
clone = Tensor.clone
cos = Tensor.cos
detach = Tensor.detach
div = Tensor.__truediv__
erf = Tensor.erf
exp = Tensor.exp
expm1 = Tensor.expm1
flatten = Tensor.flatten
floor_divide = Tensor.floor_divide
gather = Tensor.gather
index_select = Tensor.index_select
log = Tensor.log
log1p = Tensor.log1p
log_softmax = Tensor.log_softmax
masked_fill = Tensor.masked_fill
matmul = Tensor.matmul
max = Tensor.max
mean = Tensor.mean
min = Tensor.min
mm = Tensor.mm
movedim = Tensor.movedim
mul = Tensor.__mul__
neg = Tensor.neg
numel = Tensor.numel
permute = Tensor.permute
pow = Tensor.__pow__
reciprocal = Tensor.reciprocal
relu = Tensor.relu
remainder = Tensor.remainder
reshape = Tensor.reshape
rsqrt = Tensor.rsqrt
scatter_add = Tensor.scatter_add
sigmoid = Tensor.sigmoid
sign = Tensor.sign
sin = Tensor.sin
split = Tensor.split
softmax = Tensor.softmax
sqrt = Tensor.sqrt
square = Tensor.square
squeeze = Tensor.squeeze
std = Tensor.std
sub = Tensor.__sub__
sum = Tensor.sum
t = Tensor.t
tanh = Tensor.tanh
transpose = Tensor.transpose
unbind = Tensor.unbind
unsqueeze = Tensor.unsqueeze
var = Tensor.var


def rand_like(input: Tensor, *, dtype: DType | None = None) -> Tensor:
    """Uniform random numbers from [0, 1) in the shape of `input`, and in its dtype unless another is given."""
    check_tensor("rand_like", "input", input)
    return _core.rand(tuple(input.shape), dtype=input.dtype if dtype is None else dtype)


def randn_like(input: Tensor, *, dtype: DType | None = None) -> Tensor:
    """Normal random numbers in the shape of `input`, and in its dtype unless another is given."""
    check_tensor("randn_like", "input", input)
    return _core.randn(tuple(input.shape), dtype=input.dtype if dtype is None else dtype)


def is_tensor(obj: object) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)
