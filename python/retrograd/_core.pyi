"""
The compiled part of Retrograd.
"""
# Generated from rust/python by `make stubs`: do not edit.
from builtins import bool as bool2
from builtins import int as int2
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, SupportsFloat, SupportsIndex, TypeVar, final

from numpy.typing import NDArray
from typing_extensions import disjoint_base

_F = TypeVar("_F", bound=Callable[..., Any])

__version__: Final[str]
bfloat16: Final[DType]
bool: Final[DType]
float16: Final[DType]
float32: Final[DType]
float64: Final[DType]
int32: Final[DType]
int64: Final[DType]
uint8: Final[DType]

@final
class Compiled:
    def __bool__(self, /) -> bool2: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
    def __get__(self, object: Any, _class: Any | None = None, /) -> Any:
        """
        As a function in a class, it becomes a method.
        """
    def __getattr__(self, name: str, /) -> Any:
        """
        Anything else, such as the name and the docstring, is the function's.
        """
    def __len__(self, /) -> int:
        """
        How many programs are recorded.
        """
    def listing(self, /) -> list[str]:
        """
        The kernel calls of each recorded program, as text.
        """

@final
class DType:
    """
    The type of a tensor's elements.
    """
    def __eq__(self, value: object, /) -> bool2: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool2: ...
    def __reduce__(self, /) -> tuple[Any, tuple[str]]: ...
    def __repr__(self, /) -> str: ...
    @property
    def is_floating_point(self, /) -> bool2:
        """
        Whether it is a floating-point type.
        """
    @property
    def itemsize(self, /) -> int:
        """
        Bytes an element takes.
        """
    @property
    def name(self, /) -> str:
        """
        The name, as NumPy has it.
        """

@disjoint_base
class Module:
    """
    The base class of `nn.Module`.

    Parameters, buffers and modules are ordinary attributes; this class keeps their names. A call goes
    straight to `forward` unless hooks are set.
    """
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
    def __delattr__(self, name: str, /) -> None: ...
    def __init__(self, /, *_args: Any, **_kwargs: Any) -> None:
        """
        Takes and ignores what a subclass's `__init__` passes on.
        """
    def __new__(cls, /, *_args: Any, **_kwargs: Any) -> Module: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    @property
    def _buffer_names(self, /) -> list[str]:
        """
        The names of the buffers.
        """
    @property
    def _has_hooks(self, /) -> bool2:
        """
        Whether calls go through `_call_with_hooks`.
        """
    @_has_hooks.setter
    def _has_hooks(self, /, on: bool2) -> None: ...
    @property
    def _module_names(self, /) -> list[str]:
        """
        The names of the modules.
        """
    @property
    def _parameter_names(self, /) -> list[str]:
        """
        The names of the parameters.
        """
    def _register_buffer(self, /, name: str, value: Any) -> None:
        """
        Sets an attribute and names it as a buffer, also where it is None.
        """
    def _register_module(self, /, name: str, value: Any) -> None:
        """
        Sets an attribute and names it as a module, also where it is None.
        """
    def _register_parameter(self, /, name: str, value: Any) -> None:
        """
        Sets an attribute and names it as a parameter, also where it is None.
        """

@final
class Node:
    """
    A node of the graph, as `grad_fn` shows it.
    """
    def __repr__(self, /) -> str: ...
    def name(self, /) -> str:
        """
        The operator's name.
        """
    @property
    def next_functions(self, /) -> list[Node | None]:
        """
        The nodes the operands came from; `None` for leaves and for what needs no gradient.
        """

@final
class Operator:
    """
    An operator: called with its operands in order and its attributes by name.
    """
    def __call__(self, /, *operands: Any, **attributes: Any) -> Any: ...
    @property
    def __name__(self, /) -> str:
        """
        The operator's name.
        """
    def __repr__(self, /) -> str: ...

class Parameter(Tensor):
    """
    A tensor that a module learns: assigned to a module's attribute, it is one of its parameters.
    """
    def __init__(self, /, *_args: Any, **_kwargs: Any) -> None: ...
    def __new__(cls, /, data: Any, requires_grad: bool2 = True) -> Parameter: ...

@final
class RemovableHandle:
    """
    A registered hook; `remove()` takes it off.
    """
    def remove(self, /) -> None:
        """
        Takes the hook off; a second time does nothing.
        """

@disjoint_base
class Tensor:
    """
    An n-dimensional array that remembers how it was computed.
    """
    __array_priority__: Final[float]
    """
    NumPy's operators leave the work to this class's.
    """
    @property
    def T(self, /) -> Tensor:
        """
        All dimensions in reverse order.
        """
    def __abs__(self, /) -> Tensor: ...
    def __add__(self, other: object, /) -> Tensor: ...
    def __array__(self, /, dtype: Any | None = None, copy: bool2 | None = None) -> NDArray[Any]: ...
    def __bool__(self, /) -> bool2: ...
    def __contains__(self, value: Any, /) -> bool2: ...
    def __deepcopy__(self, /, memo: Any) -> Any: ...
    def __eq__(self, other: object, /) -> Tensor: ...  # type: ignore[override]
    def __float__(self, /) -> float: ...
    def __floordiv__(self, other: object, /) -> Tensor: ...
    def __ge__(self, other: object, /) -> Tensor: ...
    def __getitem__(self, key: Any, /) -> Tensor: ...
    def __gt__(self, other: object, /) -> Tensor: ...
    def __hash__(self, /) -> int2: ...
    def __iadd__(self, other: object, /) -> Tensor: ...
    def __imul__(self, other: object, /) -> Tensor: ...
    def __index__(self, /) -> int2: ...
    def __int__(self, /) -> int2: ...
    def __invert__(self, /) -> Tensor:
        """
        The logical complement of a bool tensor.
        """
    def __isub__(self, other: object, /) -> Tensor: ...
    def __iter__(self, /) -> Iterator[Tensor]: ...
    def __itruediv__(self, other: object, /) -> Tensor: ...
    def __le__(self, other: object, /) -> Tensor: ...
    def __len__(self, /) -> int2: ...
    def __lt__(self, other: object, /) -> Tensor: ...
    def __matmul__(self, other: object, /) -> Tensor: ...
    def __mod__(self, other: object, /) -> Tensor: ...
    def __mul__(self, other: object, /) -> Tensor: ...
    def __ne__(self, other: object, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self, /) -> Tensor: ...
    def __pos__(self, /) -> Tensor: ...
    def __pow__(self, other: object, modulo: object = None, /) -> Tensor: ...
    def __radd__(self, other: object, /) -> Tensor: ...
    def __reduce__(self, /) -> tuple[Any, tuple[Any, ...]]: ...
    def __repr__(self, /) -> str: ...
    def __rfloordiv__(self, other: object, /) -> Tensor: ...
    def __rmatmul__(self, other: object, /) -> Tensor: ...
    def __rmod__(self, other: object, /) -> Tensor: ...
    def __rmul__(self, other: object, /) -> Tensor: ...
    def __rpow__(self, other: object, _modulo: object = None, /) -> Tensor: ...
    def __rsub__(self, other: object, /) -> Tensor: ...
    def __rtruediv__(self, other: object, /) -> Tensor: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def __sub__(self, other: object, /) -> Tensor: ...
    def __truediv__(self, other: object, /) -> Tensor: ...
    @property
    def _version(self, /) -> int2:
        """
        How often the memory was overwritten in place.
        """
    def abs(self, /) -> Tensor:
        """
        The absolute value of each element.
        """
    def abs_(self, /) -> Tensor:
        """
        Overwrites each element with its absolute value.
        """
    def add(self, /, other: Any) -> Tensor:
        """
        `self + other`, broadcast.
        """
    def add_(self, /, other: Any) -> Tensor:
        """
        Adds `other` in place.
        """
    def all(self, /) -> Tensor:
        """
        Whether all elements are true.
        """
    def amax(self, /, dim: Any | None = None, keepdim: bool2 = False) -> Tensor:
        """
        The largest over `dim`, or over all; equal winners share the gradient.
        """
    def amin(self, /, dim: Any | None = None, keepdim: bool2 = False) -> Tensor:
        """
        The smallest over `dim`, or over all; equal winners share the gradient.
        """
    def any(self, /) -> Tensor:
        """
        Whether any element is true.
        """
    def argmax(self, /, dim: SupportsIndex | None = None, keepdim: bool2 = False) -> Tensor:
        """
        Where the largest is: along `dim`, or in row-major order over all; the first of equals.
        """
    def backward(self, /, gradient: Tensor | None = None, retain_graph: bool2 | None = None, create_graph: bool2 = False, inputs: Any | None = None) -> None:
        """
        Computes the gradients of this tensor with respect to the leaves and adds them to their `.grad`.

        Rumelhart, Hinton & Williams (1986).
        """
    def bfloat16(self, /) -> Tensor:
        """
        As bfloat16.
        """
    def bool(self, /) -> Tensor:
        """
        As bool.
        """
    def chunk(self, /, chunks: SupportsIndex, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
        """
        At most `chunks` views along `dim`, all of the same size but the last.
        """
    def clamp(self, /, min: Any | None = None, max: Any | None = None) -> Tensor:
        """
        Each element, or the bound it lies beyond: `min(max(self, min), max)`, so `max` wins where it is below `min`.

        Bounds are numbers or tensors that broadcast; at least one must be given. NaN stays. Gradients go to the elements
        that are within or at the bounds.
        """
    def clamp_(self, /, min: Any | None = None, max: Any | None = None) -> Tensor:
        """
        Overwrites each element that lies beyond a bound with that bound.
        """
    def clip(self, /, min: Any | None = None, max: Any | None = None) -> Tensor:
        """
        As `clamp`.
        """
    def clone(self, /) -> Tensor:
        """
        A copy.
        """
    def contiguous(self, /, *, memory_format: Any | None = None) -> Tensor:
        """
        Row-major without gaps: itself, or a copy.
        """
    def copy_(self, /, src: Any, non_blocking: bool2 = False) -> Tensor:
        """
        Overwrites with `src`, broadcast and cast.
        """
    def cos(self, /) -> Tensor:
        """
        The cosine of each element, in radians.
        """
    def cos_(self, /) -> Tensor:
        """
        Overwrites each element with its cosine.
        """
    def cpu(self, /) -> Tensor:
        """
        Itself: every tensor is on the CPU.
        """
    @property
    def data(self, /) -> Tensor:
        """
        The same memory outside the graph; writing to it goes unnoticed by backward.
        """
    @data.setter
    def data(self, /, data: Tensor) -> None:
        """
        Overwrites the contents, outside the graph.
        """
    def data_ptr(self, /) -> int2:
        """
        The first element's address.
        """
    def detach(self, /) -> Tensor:
        """
        The same memory outside the graph.
        """
    @property
    def device(self, /) -> str:
        """
        Where the tensor is: always `"cpu"`.
        """
    def dim(self, /) -> int2:
        """
        The number of dimensions.
        """
    def div(self, /, other: Any) -> Tensor:
        """
        `self / other`, broadcast.
        """
    def div_(self, /, other: Any) -> Tensor:
        """
        Divides by `other` in place.
        """
    def double(self, /) -> Tensor:
        """
        As float64.
        """
    @property
    def dtype(self, /) -> DType:
        """
        The element type.
        """
    def element_size(self, /) -> int2:
        """
        Bytes an element takes.
        """
    def eq(self, /, other: Any) -> Tensor:
        """
        `self == other`, element by element.
        """
    def erf(self, /) -> Tensor:
        """
        The error function of each element: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to it.
        """
    def erf_(self, /) -> Tensor:
        """
        Overwrites each element with its error function.
        """
    def exp(self, /) -> Tensor:
        """
        e to the power of each element.
        """
    def exp_(self, /) -> Tensor:
        """
        Overwrites each element with its exponential.
        """
    def expand(self, /, *sizes: Any) -> Tensor:
        """
        Repeated along dimensions of extent one, sharing memory; -1 keeps a size.
        """
    def expand_as(self, /, other: Tensor) -> Tensor:
        """
        Expanded to `other`'s shape.
        """
    def expm1(self, /) -> Tensor:
        """
        e to the power of each element, less one: exact near zero, where `exp() - 1` loses its digits.
        """
    def expm1_(self, /) -> Tensor:
        """
        Overwrites each element with its exponential less one.
        """
    def fill_(self, /, value: Any) -> Tensor:
        """
        Overwrites every element with `value`.
        """
    def flatten(self, /, start_dim: SupportsIndex = 0, end_dim: SupportsIndex = ...) -> Tensor:
        """
        Dimensions `start_dim` to `end_dim` as one.
        """
    def float(self, /) -> Tensor:
        """
        As float32.
        """
    def floor_divide(self, /, other: Any) -> Tensor:
        """
        `self / other` rounded down, broadcast; of integers, 0 where `other` is. Its gradient is zero.
        """
    def gather(self, /, dim: SupportsIndex, index: Tensor) -> Tensor:
        """
        The elements along `dim` that `index` names; the result has `index`'s shape.
        """
    def ge(self, /, other: Any) -> Tensor:
        """
        `self >= other`, element by element.
        """
    @property
    def grad(self, /) -> Tensor | None:
        """
        The accumulated gradient.
        """
    @grad.setter
    def grad(self, /, grad: Tensor | None) -> None: ...
    @property
    def grad_fn(self, /) -> Node | None:
        """
        The node that computed the tensor.
        """
    def gt(self, /, other: Any) -> Tensor:
        """
        `self > other`, element by element.
        """
    def half(self, /) -> Tensor:
        """
        As float16.
        """
    def index_add(self, /, dim: SupportsIndex, index: Tensor, source: Tensor) -> Tensor:
        """
        A copy with the slices of `source` added to those along `dim` that the list `index` names.
        """
    def index_select(self, /, dim: SupportsIndex, index: Tensor) -> Tensor:
        """
        The slices along `dim` that the list `index` names.
        """
    def int(self, /) -> Tensor:
        """
        As int32.
        """
    def is_contiguous(self, /) -> bool2:
        """
        Whether the elements lie in row-major order without gaps.
        """
    def is_floating_point(self, /) -> bool2:
        """
        Whether the dtype is a floating-point type.
        """
    @property
    def is_leaf(self, /) -> bool2:
        """
        Whether the tensor was made by the user rather than computed from what requires a gradient.
        """
    def item(self, /) -> Any:
        """
        The value of a tensor of one element.
        """
    def le(self, /, other: Any) -> Tensor:
        """
        `self <= other`, element by element.
        """
    def log(self, /) -> Tensor:
        """
        The natural logarithm of each element.
        """
    def log1p(self, /) -> Tensor:
        """
        The natural logarithm of one plus each element: exact near zero.
        """
    def log1p_(self, /) -> Tensor:
        """
        Overwrites each element with the logarithm of one plus it.
        """
    def log_(self, /) -> Tensor:
        """
        Overwrites each element with its logarithm.
        """
    def log_softmax(self, /, dim: SupportsIndex, dtype: DType | None = None) -> Tensor:
        """
        x - log(sum(exp(x))) along `dim`, shifted by the maximum so that it cannot overflow; cast to `dtype` before.
        """
    def long(self, /) -> Tensor:
        """
        As int64.
        """
    def lt(self, /, other: Any) -> Tensor:
        """
        `self < other`, element by element.
        """
    @property
    def mT(self, /) -> Tensor:
        """
        The last two dimensions swapped.
        """
    def masked_fill(self, /, mask: Tensor, value: Any) -> Tensor:
        """
        `value` where `mask`, else `self`.
        """
    def masked_fill_(self, /, mask: Tensor, value: Any) -> Tensor:
        """
        Overwrites with `value` where `mask`.
        """
    def matmul(self, /, other: Any, *, out: Tensor | None = None) -> Tensor:
        """
        The matrix product of the last two dimensions; those before broadcast. `out`, of the result's shape and dtype, is
        written over and returned.
        """
    def max(self, /, dim: Any | None = None, keepdim: bool2 = False) -> Any:
        """
        The largest of all; along `dim`, `(values, indices)`; with another tensor, the larger of the two.
        """
    def maximum(self, /, other: Any) -> Tensor:
        """
        The larger of the two, element by element; NaN where either is.
        """
    def mean(self, /, dim: Any | None = None, keepdim: bool2 = False) -> Tensor:
        """
        The mean over `dim`, or over all.
        """
    def min(self, /, dim: Any | None = None, keepdim: bool2 = False) -> Any:
        """
        The smallest of all; along `dim`, `(values, indices)`; with another tensor, the smaller of the two.
        """
    def minimum(self, /, other: Any) -> Tensor:
        """
        The smaller of the two, element by element; NaN where either is.
        """
    def mm(self, /, mat2: Tensor) -> Tensor:
        """
        The product of two matrices.
        """
    def movedim(self, /, source: SupportsIndex, destination: SupportsIndex) -> Tensor:
        """
        Dimension `source` moved to `destination`.
        """
    def mul(self, /, other: Any) -> Tensor:
        """
        `self * other`, broadcast.
        """
    def mul_(self, /, other: Any) -> Tensor:
        """
        Multiplies by `other` in place.
        """
    def narrow(self, /, dim: SupportsIndex, start: SupportsIndex, length: SupportsIndex) -> Tensor:
        """
        `length` slices from `start` along `dim`, sharing memory.
        """
    @property
    def ndim(self, /) -> int2:
        """
        The number of dimensions.
        """
    def ne(self, /, other: Any) -> Tensor:
        """
        `self != other`, element by element.
        """
    def neg(self, /) -> Tensor:
        """
        The negative of each element.
        """
    def neg_(self, /) -> Tensor:
        """
        Overwrites each element with its negative.
        """
    def normal_(self, /, mean: SupportsFloat | SupportsIndex = 0.0, std: SupportsFloat | SupportsIndex = 1.0) -> Tensor:
        """
        Overwrites with normally distributed numbers.
        """
    def numel(self, /) -> int2:
        """
        The number of elements.
        """
    def numpy(self, /, *, force: bool2 = False) -> NDArray[Any]:
        """
        A NumPy array that shares this tensor's memory.
        """
    def permute(self, /, *dims: Any) -> Tensor:
        """
        Dimension `i` of the result is dimension `dims[i]`.
        """
    def pow(self, /, other: Any) -> Tensor:
        """
        `self ** exponent`, broadcast; of integers it wraps, and is rounded towards zero where the exponent is negative.
        """
    def reciprocal(self, /) -> Tensor:
        """
        One divided by each element.
        """
    def reciprocal_(self, /) -> Tensor:
        """
        Overwrites each element with one divided by it.
        """
    def register_hook(self, /, hook: Any) -> RemovableHandle:
        """
        Calls `hook(grad)` with each gradient computed for this tensor; what it returns replaces it.
        """
    def relu(self, /) -> Tensor:
        """
        Each element, or zero where it is negative.
        """
    def relu_(self, /) -> Tensor:
        """
        Overwrites each negative element with zero.
        """
    def remainder(self, /, other: Any) -> Tensor:
        """
        What `floor_divide` leaves of `self`, broadcast: it has the sign of `other`; of integers, 0 where `other` is.
        """
    @property
    def requires_grad(self, /) -> bool2:
        """
        Whether gradients flow into this tensor.
        """
    @requires_grad.setter
    def requires_grad(self, /, on: bool2) -> None: ...
    def requires_grad_(self, /, requires_grad: bool2 = True) -> Tensor:
        """
        Makes a leaf require a gradient, or no longer; returns it.
        """
    def reshape(self, /, *shape: Any) -> Tensor:
        """
        The same elements under another shape; one size may be -1. Copies only where it must.
        """
    def retain_grad(self, /) -> None:
        """
        Keeps the gradient of a tensor that is not a leaf.
        """
    def rsqrt(self, /) -> Tensor:
        """
        One divided by the square root of each element.
        """
    def rsqrt_(self, /) -> Tensor:
        """
        Overwrites each element with one divided by its square root.
        """
    def scatter_add(self, /, dim: SupportsIndex, index: Tensor, src: Tensor) -> Tensor:
        """
        A copy with `src` added at the places along `dim` that `index` names.
        """
    @property
    def shape(self, /) -> tuple[int2, ...]:
        """
        The extent of each dimension.
        """
    def sigmoid(self, /) -> Tensor:
        """
        The logistic function of each element.
        """
    def sigmoid_(self, /) -> Tensor:
        """
        Overwrites each element with its logistic function.
        """
    def sign(self, /) -> Tensor:
        """
        1, -1 or 0 as each element is above, below or equal to zero; NaN stays. Its gradient is zero.
        """
    def sign_(self, /) -> Tensor:
        """
        Overwrites each element with its sign.
        """
    def silu(self, /) -> Tensor:
        """
        Each element times the logistic function of it.
        """
    def sin(self, /) -> Tensor:
        """
        The sine of each element, in radians.
        """
    def sin_(self, /) -> Tensor:
        """
        Overwrites each element with its sine.
        """
    def size(self, /, dim: SupportsIndex | None = None) -> Any:
        """
        The extents of all dimensions, or of one.
        """
    def softmax(self, /, dim: SupportsIndex, dtype: DType | None = None) -> Tensor:
        """
        exp(x) / sum(exp(x)) along `dim`, shifted by the maximum so that it cannot overflow; cast to `dtype` before.
        """
    def split(self, /, split_size: SupportsIndex | Sequence[SupportsIndex], dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
        """
        Views of `split_size` elements along `dim`, the last of what is left; or, given a list, of as many as it says.
        """
    def sqrt(self, /) -> Tensor:
        """
        The square root of each element.
        """
    def sqrt_(self, /) -> Tensor:
        """
        Overwrites each element with its square root.
        """
    def square(self, /) -> Tensor:
        """
        The square of each element.
        """
    def square_(self, /) -> Tensor:
        """
        Overwrites each element with its square.
        """
    def squeeze(self, /, dim: Any | None = None) -> Tensor:
        """
        Dimensions of extent one taken out: all, or those named.
        """
    def std(self, /, dim: Any | None = None, *, correction: SupportsFloat | SupportsIndex = 1.0, keepdim: bool2 = False) -> Tensor:
        """
        The standard deviation over `dim`, or over all, with `correction` degrees of freedom taken off.
        """
    def storage_offset(self, /) -> int2:
        """
        The first element's position in the storage.
        """
    def stride(self, /) -> tuple[int2, ...]:
        """
        The distance between neighbours along each dimension, in elements.
        """
    def sub(self, /, other: Any) -> Tensor:
        """
        `self - other`, broadcast.
        """
    def sub_(self, /, other: Any) -> Tensor:
        """
        Subtracts `other` in place.
        """
    def sum(self, /, dim: Any | None = None, keepdim: bool2 = False, *, dtype: Any | None = None) -> Tensor:
        """
        The sum over `dim`, or over all; integers are summed as int64.
        """
    def swapaxes(self, /, axis0: SupportsIndex, axis1: SupportsIndex) -> Tensor:
        """
        Two dimensions swapped.
        """
    def t(self, /) -> Tensor:
        """
        A matrix transposed; a vector or scalar as it is.
        """
    def tanh(self, /) -> Tensor:
        """
        The hyperbolic tangent of each element.
        """
    def tanh_(self, /) -> Tensor:
        """
        Overwrites each element with its hyperbolic tangent.
        """
    def to(self, /, *args: Any, dtype: Any | None = None, device: Any | None = None, non_blocking: bool2 = False, copy: bool2 = False) -> Tensor:
        """
        In another dtype, given directly, by name, or as that of another tensor; the device can only be `"cpu"`.
        """
    def tolist(self, /) -> Any:
        """
        The elements as nested lists.
        """
    def transpose(self, /, dim0: SupportsIndex, dim1: SupportsIndex) -> Tensor:
        """
        Two dimensions swapped.
        """
    def type(self, /, dtype: Any) -> Tensor:
        """
        As `dtype`.
        """
    def type_as(self, /, other: Tensor) -> Tensor:
        """
        In `other`'s dtype.
        """
    def unbind(self, /, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
        """
        The slices along `dim`, without it.
        """
    def uniform_(self, /, from_: SupportsFloat | SupportsIndex = 0.0, to: SupportsFloat | SupportsIndex = 1.0) -> Tensor:
        """
        Overwrites with numbers from `from_` to `to`, all as likely.
        """
    def unsqueeze(self, /, dim: SupportsIndex) -> Tensor:
        """
        A dimension of extent one put in before `dim`.
        """
    def var(self, /, dim: Any | None = None, *, correction: SupportsFloat | SupportsIndex = 1.0, keepdim: bool2 = False) -> Tensor:
        """
        The variance over `dim`, or over all, with `correction` degrees of freedom taken off.
        """
    def view(self, /, *shape: Any) -> Tensor:
        """
        The same elements under another shape, sharing memory; an error where strides do not allow it.
        """
    def view_as(self, /, other: Tensor) -> Tensor:
        """
        The same elements under `other`'s shape, sharing memory.
        """
    def where(self, /, condition: Tensor, other: Any) -> Tensor:
        """
        `self` where `condition`, else `other`.
        """
    def zero_(self, /) -> Tensor:
        """
        Overwrites every element with zero.
        """

@final
class Vmapped:
    """
    A function of one example that is called with batches.
    """
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...

@final
class enable_grad:
    """
    Within it, operations are recorded on the graph, also inside `no_grad`.
    """
    def __call__(self, /, function: _F) -> _F:
        """
        Wraps a function so that it runs in this mode.
        """
    def __enter__(self, /) -> enable_grad: ...
    def __exit__(self, /, *_args: Any) -> None: ...
    def __new__(cls, /, function: Any | None = None) -> enable_grad: ...

@final
class inference_mode:
    """
    As `no_grad`: within it, operations are not recorded on the graph.
    """
    def __call__(self, /, function: _F) -> _F:
        """
        Wraps a function so that it runs in this mode.
        """
    def __enter__(self, /) -> inference_mode: ...
    def __exit__(self, /, *_args: Any) -> None: ...
    def __new__(cls, /, function: Any | None = None) -> inference_mode: ...

@final
class no_grad:
    """
    Within it, operations are not recorded on the graph.
    """
    def __call__(self, /, function: _F) -> _F:
        """
        Wraps a function so that it runs in this mode.
        """
    def __enter__(self, /) -> no_grad: ...
    def __exit__(self, /, *_args: Any) -> None: ...
    def __new__(cls, /, function: Any | None = None) -> no_grad: ...

@final
class set_grad_enabled:
    """
    Switches the recording on the graph, at once and, as a context manager, until its end.
    """
    def __enter__(self, /) -> set_grad_enabled: ...
    def __exit__(self, /, *_args: Any) -> None: ...
    def __new__(cls, /, mode: bool2) -> set_grad_enabled: ...

def adam_step(state: dict[Tensor, dict[str, Any]], params: list[Tensor], hyper: Tensor, *, decoupled: bool2 = False, maximize: bool2 = False) -> None:
    """
    One step of Adam for the parameters that have a gradient, in place; `state` holds a dictionary of tensors for each.
    """

def arange(*args: Any, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    From `start` (0) to below `end` by `step` (1).
    """

def as_tensor(data: Any, dtype: Any | None = None, device: Any | None = None) -> Tensor:
    """
    As [`tensor`], sharing memory with an array or tensor that has the dtype already.
    """

def backward(tensors: Any, grad_tensors: Any | None = None, retain_graph: bool2 | None = None, create_graph: bool2 = False) -> None:
    """
    Computes the gradients of several tensors with respect to the leaves and adds them to their `.grad`.
    """

def call_in_turn(layers: tuple[Any, ...], input: Any) -> Any:
    """
    Calls each layer with what the one before gave. A linear layer and the activation after it are one operation, with
    the bits of the two.
    """

def cat(tensors: Any, dim: SupportsIndex = 0) -> Tensor:
    """
    Tensors side by side along `dim`.
    """

def compile(function: Any) -> Compiled:
    """
    Records `function` when it is first called, and replays what it did on later calls.
    """

def cross_entropy(input: Tensor, target: Tensor, ignore_index: SupportsIndex = ..., reduction: str = "mean") -> Tensor:
    """
    The cross-entropy of softmax(`input`) with class indices.

    `input` is (N, C), (C,) or (N, C, …); `target` has the same shape without C.
    """

def drop_grads(params: Iterable[Tensor]) -> None:
    """
    Drops the tensors' gradients, without looking whether there are any: a recording would have to assume what was seen.
    """

def dropout(input: Tensor, p: SupportsFloat | SupportsIndex = 0.5, training: bool2 = True) -> Tensor:
    """
    Each element zeroed with probability `p`, the others scaled by `1 / (1 - p)`; in evaluation, `input` itself.

    Srivastava et al. (2014).
    """

def dtype_by_name(name: str) -> DType:
    """
    The dtype of that name.
    """

def elu(input: Tensor, alpha: SupportsFloat | SupportsIndex = 1.0, inplace: bool2 = False) -> Tensor:
    """
    Each element where it is above zero, else alpha (exp(x) - 1). Any shape.

    Clevert, Unterthiner & Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2015.

    Raises:
        TypeError: for a tensor that is not of floating-point numbers.
        NotImplementedError: for `inplace=True`.
    """

def empty(*size: Any, dtype: Any | None = None, device: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A tensor with arbitrary contents.
    """

def empty_cache() -> None:
    """
    Returns the memory kept for later to the system.
    """

def empty_like(input: Tensor, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A tensor of another's shape and dtype with arbitrary contents.
    """

def eye(n: SupportsIndex, m: SupportsIndex | None = None, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A matrix of `n` rows and `m` (`n`) columns with ones on the diagonal.
    """

def from_numpy(array: NDArray[Any]) -> Tensor:
    """
    A tensor on a NumPy array's memory; a copy where the array is read-only, byte-swapped or misaligned.
    """

def full(size: Any, fill_value: Any, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A tensor of one value; an integer makes int64, a truth value bool.
    """

def full_like(input: Tensor, fill_value: Any, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    One value in another tensor's shape and dtype.
    """

def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """
    The Gaussian error linear unit, element by element: `input` times the normal distribution function of it.

    `approximate="tanh"` takes the formula 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Any shape.
    Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016.

    Raises:
        ValueError: for an unknown `approximate`.
        TypeError: for a tensor that is not of floating-point numbers.
    """

def get_num_threads() -> int:
    """
    How many threads work on large operations.
    """

def get_rng_state() -> tuple[int, int]:
    """
    The state of the random numbers: seed and counter.
    """

def grad(outputs: Any, inputs: Any, grad_outputs: Any | None = None, retain_graph: bool2 | None = None, create_graph: bool2 = False, allow_unused: bool2 = False) -> tuple[Any, ...]:
    """
    The gradients of `outputs` with respect to `inputs`, returned instead of accumulated.
    """

def hardtanh(input: Tensor, min_val: SupportsFloat | SupportsIndex = ..., max_val: SupportsFloat | SupportsIndex = 1.0, inplace: bool2 = False) -> Tensor:
    """
    Each element, or the bound it lies beyond. Any shape. Unlike clamp's, its gradient is 0 at the bounds themselves.

    Raises:
        ValueError: where `min_val` is above `max_val`.
        TypeError: for a tensor that is not of floating-point numbers.
        NotImplementedError: for `inplace=True`.
    """

def is_grad_enabled() -> bool2:
    """
    Whether operations are recorded on the graph.
    """

def know_forwards(linear: Any, relu: Any, sigmoid: Any, tanh: Any) -> None:
    """
    Tells which functions the layers' `forward` are.
    """

def layer_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: SupportsFloat | SupportsIndex = 1e-5) -> Tensor:
    """
    Brings the last dimensions of `input` to mean 0 and variance 1, then scales by `weight` and shifts by `bias`.

    Shapes: `input` (*, *normalized_shape), `weight` and `bias` `normalized_shape`; the output has the input's.
    Ba, Kiros & Hinton, "Layer Normalization", 2016.

    Raises:
        ValueError: when the input's shape does not end in `normalized_shape`, or weight or bias have another shape.
        TypeError: for tensors that are not of one floating-point dtype.
    """

def leaky_relu(input: Tensor, negative_slope: SupportsFloat | SupportsIndex = 0.01, inplace: bool2 = False) -> Tensor:
    """
    Each element where it is above zero, else `negative_slope` times it. Any shape.

    Maas, Hannun & Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.

    Raises:
        TypeError: for a tensor that is not of floating-point numbers.
        NotImplementedError: for `inplace=True`.
    """

def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """
    `input @ weight.T + bias`: `input` is (…, in), `weight` (out, in), `bias` (out,).
    """

def manual_seed(seed: Any) -> None:
    """
    Starts the random numbers anew from `seed`.
    """

def memory_stats() -> dict[str, int2]:
    """
    What the allocator holds, in bytes, and how often it asked the system.
    """

def ones(*size: Any, dtype: Any | None = None, device: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A tensor of ones.
    """

def ones_like(input: Tensor, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    Ones in another tensor's shape and dtype.
    """

def op_list() -> list[dict[str, Any]]:
    """
    Every operator: its names, what it takes, and the calls its tests make.
    """

def poke(tensor: Tensor, index: SupportsIndex, value: SupportsFloat | SupportsIndex) -> None:
    """
    Writes one element of a one-dimensional tensor, outside of the graph and of any recording.
    """

def pool_worker_tasks() -> int:
    """
    How many tasks threads other than the caller's have done so far.
    """

def rand(*size: Any, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    Numbers from 0 to 1, all as likely.
    """

def rand_like(input: Tensor, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    Numbers from 0 to 1, all as likely, in another tensor's shape and dtype.
    """

def randint(low: SupportsIndex, high: Any, size: Any | None = None, *, dtype: Any | None = None) -> Tensor:
    """
    Integers from `low` (0) to below `high`, all as likely.
    """

def randn(*size: Any, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    Normally distributed numbers of mean 0 and standard deviation 1.
    """

def randn_like(input: Tensor, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    Normally distributed numbers of mean 0 and standard deviation 1 in another tensor's shape and dtype.
    """

def randperm(n: SupportsIndex) -> Tensor:
    """
    A random order of 0 to `n` - 1.
    """

def rebuild_tensor(array: NDArray[Any], dtype: str, requires_grad: bool2, cls: Any) -> Any:
    """
    Rebuilds a pickled tensor.
    """

def set_num_threads(n: SupportsIndex) -> None:
    """
    Sets how many threads work on large operations.
    """

def set_rng_state(state: tuple[SupportsIndex, SupportsIndex]) -> None:
    """
    Goes on with the random numbers from a state.
    """

def sgd_step(state: dict[Tensor, dict[str, Any]], params: list[Tensor], hyper: Tensor, *, momentum: bool2 = False, nesterov: bool2 = False, maximize: bool2 = False) -> None:
    """
    One step of stochastic gradient descent for the parameters that have a gradient, in place; `state` holds a dictionary of
    tensors for each.
    """

def simd_level() -> str:
    """
    The SIMD level in use.
    """

def simd_levels() -> list[str]:
    """
    The SIMD levels this machine has.
    """

def softplus(input: Tensor, beta: SupportsFloat | SupportsIndex = 1.0, threshold: SupportsFloat | SupportsIndex = 20.0) -> Tensor:
    """
    A smooth form of relu, element by element: log(1 + exp(beta x)) / beta.

    Where beta x is above `threshold` it is x itself, so that nothing overflows. Any shape.
    Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2001.

    Raises:
        TypeError: for a tensor that is not of floating-point numbers.
    """

def stack(tensors: Any, dim: SupportsIndex = 0) -> Tensor:
    """
    Tensors of one shape along a new dimension.
    """

def structure_changed() -> None:
    """
    Notes that something changed that decides which operations a compiled function runs.
    """

def tensor(data: Any, *, dtype: Any | None = None, device: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A tensor with a copy of `data`: numbers, nested lists, an array or a tensor.

    Floats become float32, integers int64, truth values bool; arrays and tensors keep their dtype.
    """

def vmap(function: Any, in_dims: Any | None = None, out_dims: Any | None = None) -> Vmapped:
    """
    Makes of a function of one example one of a batch.

    `in_dims` says along which dimension each argument is batched, None that it is not; one integer is for all.
    """

def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """
    `input` where `condition`, else `other`.
    """

def zeros(*size: Any, dtype: Any | None = None, device: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    A tensor of zeros.
    """

def zeros_like(input: Tensor, *, dtype: Any | None = None, requires_grad: bool2 = False) -> Tensor:
    """
    Zeros in another tensor's shape and dtype.
    """

ops: Any
