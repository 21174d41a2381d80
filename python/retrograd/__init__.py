"""Retrograd: train neural networks on CPUs, with PyTorch's names.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])

Tensors, functions on them and autograd are here; layers in `retrograd.nn`, optimizers in `retrograd.optim`, data in
`retrograd.datasets`. `python -m retrograd demo` trains a network that reads handwritten digits.
"""

from __future__ import annotations

from retrograd import autograd, func, nn, optim
from retrograd._core import (
    DType,
    Tensor,
    __version__,
    arange,
    as_tensor,
    bfloat16,
    bool,
    cat,
    compile,
    empty,
    empty_cache,
    empty_like,
    enable_grad,
    eye,
    float16,
    float32,
    float64,
    from_numpy,
    full,
    full_like,
    get_num_threads,
    int32,
    int64,
    is_grad_enabled,
    manual_seed,
    memory_stats,
    no_grad,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    set_grad_enabled,
    set_num_threads,
    simd_level,
    simd_levels,
    stack,
    tensor,
    uint8,
    vmap,
    where,
    zeros,
    zeros_like,
)

# torch's other names of the same dtypes.
double = float64
float = float32
half = float16
int = int32
long = int64
dtype = DType

__all__ = [
    "DType",
    "Tensor",
    "__version__",
    "arange",
    "as_tensor",
    "autograd",
    "bfloat16",
    "bool",
    "cat",
    "compile",
    "double",
    "dtype",
    "empty",
    "empty_cache",
    "empty_like",
    "enable_grad",
    "eye",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "func",
    "get_num_threads",
    "half",
    "int",
    "int32",
    "int64",
    "is_grad_enabled",
    "long",
    "manual_seed",
    "memory_stats",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "set_grad_enabled",
    "set_num_threads",
    "simd_level",
    "simd_levels",
    "stack",
    "tensor",
    "uint8",
    "vmap",
    "where",
    "zeros",
    "zeros_like",
]
