"""Tensors: making, asking, converting, printing, pickling, comparing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from retrograd import Tensor

# --- making ---


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, rg.int64, ()),
        (1.5, rg.float32, ()),
        (True, rg.bool, ()),
        ([1, 2], rg.int64, (2,)),
        ([1, 2.5], rg.float32, (2,)),
        ([[True], [False]], rg.bool, (2, 1)),
        ([], rg.float32, (0,)),
        ([[], []], rg.float32, (2, 0)),
        (((1, 2), (3, 4)), rg.int64, (2, 2)),
        (np.float64(2), rg.float64, ()),
        (range(3), rg.int64, (3,)),
    ],
)
def test_tensor(data: Any, dtype: rg.DType, shape: tuple[int, ...]) -> None:
    t = rg.tensor(data)
    assert t.dtype == dtype
    assert tuple(t.shape) == shape
    if not isinstance(data, range):
        np.testing.assert_array_equal(t.numpy(), np.asarray(data))


def test_tensor_of_tensors_and_of_numpy() -> None:
    assert rg.tensor([rg.tensor(1.0), rg.tensor(2.0)]).tolist() == [1, 2]
    assert rg.tensor([np.float32(1), np.float32(2)]).tolist() == [1, 2]


@pytest.mark.parametrize("data", [[[1], [1, 2]], [1, [2]], "abc", None, object, {1: 2}, [None], [1j]])
def test_tensor_of_nonsense(data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        rg.tensor(data)


def test_a_list_that_contains_itself() -> None:
    data: list[Any] = []
    data.append(data)
    with pytest.raises((TypeError, ValueError, RecursionError)):
        rg.tensor(data)


def test_integers_that_do_not_fit() -> None:
    assert rg.tensor(2**62).item() == 2**62
    with pytest.raises((OverflowError, ValueError, RuntimeError)):
        rg.tensor(2**64)


@pytest.mark.parametrize("size", [(2, 3), ((2, 3),), ([2, 3],)])
def test_sizes_as_numbers_or_one_tuple(size: tuple[Any, ...]) -> None:
    for make in (rg.zeros, rg.ones, rg.empty, rg.rand, rg.randn):
        assert tuple(make(*size).shape) == (2, 3)


def test_values() -> None:
    assert rg.zeros(2).tolist() == [0, 0]
    assert rg.ones(2, dtype=rg.int64).tolist() == [1, 1]
    assert rg.full((2,), 7).tolist() == [7, 7]
    assert rg.full((2,), 7).dtype == rg.int64
    assert rg.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert rg.zeros_like(rg.ones(2, dtype=rg.float64)).dtype == rg.float64
    assert rg.ones_like(rg.zeros(1)).tolist() == [1]
    assert rg.full_like(rg.zeros(2), 3.0).tolist() == [3, 3]
    assert rg.full_like(rg.zeros(2), np.float32(0.5)).tolist() == [0.5, 0.5]
    assert rg.full_like(rg.zeros(2, dtype=rg.int64), 2**53 + 1).tolist() == [2**53 + 1] * 2
    assert rg.full_like(rg.zeros(2, dtype=rg.int64), 1.5).tolist() == [1, 1]


@pytest.mark.parametrize("args", [(5,), (2, 5), (0, 10, 3), (5, 0, -2), (0, 1, 0.25), (0,), (3, 3)])
def test_arange(args: tuple[Any, ...]) -> None:
    t = rg.arange(*args)
    np.testing.assert_allclose(t.numpy(), np.arange(*args))
    assert t.dtype == (rg.float32 if any(isinstance(a, float) for a in args) else rg.int64)


@pytest.mark.parametrize(
    "args",
    [(2**53, 2**53 + 3), (-(2**63), 2**63 - 1, 2**62), (2**63 - 1, -(2**63), -(2**62)), (2**60, 2**60 - 9, -4), (3, 1)],
)
def test_arange_of_large_integers(args: tuple[int, ...]) -> None:
    assert rg.arange(*args).tolist() == list(range(*args))


def test_arange_from_nowhere() -> None:
    assert rg.arange(np.int64(2**53 + 1), np.int64(2**53 + 2)).tolist() == [2**53 + 1]
    assert rg.arange(True).tolist() == [0]
    assert rg.arange(3, dtype=rg.bfloat16).tolist() == [0, 1, 2]
    for args in [(0, 1, 0), (0, float("inf")), (0.0, 1, 0)]:
        with pytest.raises(ValueError, match="arange"):
            rg.arange(*args)


@pytest.mark.parametrize("args", [(-1,), (2, -3), ((2, -3),), (2**62, 2**62), ("a",), (1.5,)])
def test_bad_sizes(args: tuple[Any, ...]) -> None:
    with pytest.raises((ValueError, TypeError, MemoryError, OverflowError, RuntimeError)) as info:
        rg.zeros(*args)
    assert "panicked" not in str(info.value)


def test_more_memory_than_there_is() -> None:
    with pytest.raises(MemoryError):
        rg.empty(2**50)
    with pytest.raises(MemoryError):
        rg.zeros(1).expand(2**50).clone()


# --- asking ---


def test_questions() -> None:
    t = rg.zeros(2, 3, 4)
    assert t.shape == (2, 3, 4)
    assert t.size() == (2, 3, 4)
    assert t.size(-1) == 4
    assert (t.ndim, t.dim(), t.numel(), t.element_size()) == (3, 3, 24, 4)
    assert t.stride() == (12, 4, 1)
    assert t.is_contiguous()
    assert not t.transpose(0, 1).is_contiguous()
    assert t.transpose(0, 1).contiguous().is_contiguous()
    assert str(t.device) == "cpu"
    assert t[1].storage_offset() == 12
    assert rg.is_grad_enabled()


def test_item_and_numbers() -> None:
    assert rg.tensor(2.5).item() == 2.5
    assert rg.tensor([[3]]).item() == 3
    assert isinstance(rg.tensor(3).item(), int)
    assert rg.tensor(True).item() is True
    assert float(rg.tensor(2)) == 2.0
    assert int(rg.tensor(2.9)) == 2
    assert bool(rg.tensor([0.5]))
    assert not bool(rg.tensor(0))
    with pytest.raises((RuntimeError, ValueError)):
        rg.zeros(2).item()
    with pytest.raises((RuntimeError, ValueError)):
        bool(rg.zeros(2))


def test_tensors_are_hashed_by_identity() -> None:
    a, b = rg.ones(1), rg.ones(1)
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1


# --- converting ---

ALL = ["float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("to", ALL)
@pytest.mark.parametrize("source", ALL)
def test_casts(source: str, to: str) -> None:
    values = [0.0, 1.0, 3.0, 100.0]
    t = rg.tensor(values).to(getattr(rg, source)).to(getattr(rg, to))
    want = [float(bool(v)) if "bool" in (source, to) else v for v in values]
    assert t.to(rg.float64).tolist() == want


def test_to_the_same_dtype_is_the_same_tensor() -> None:
    t = rg.ones(2)
    assert t.to(rg.float32) is t
    assert t.float() is t
    assert t.to("cpu") is t
    assert (t.double().dtype, t.long().dtype, t.bool().dtype) == (rg.float64, rg.int64, rg.bool)


def test_another_device_is_not_supported() -> None:
    with pytest.raises((NotImplementedError, RuntimeError), match="cuda"):
        rg.ones(2).to("cuda")


def test_scalars_are_weak_in_promotion() -> None:
    assert (rg.ones(2) + 1).dtype == rg.float32
    assert (rg.ones(2, dtype=rg.bfloat16) * 1.5).dtype == rg.bfloat16
    assert (rg.ones(2, dtype=rg.int64) + 1).dtype == rg.int64
    assert (rg.ones(2, dtype=rg.int32) + 1.5).dtype == rg.float32
    assert (rg.ones(2, dtype=rg.int64) / 2).dtype == rg.float32
    assert (rg.ones(2, dtype=rg.float64) + rg.ones(2)).dtype == rg.float64
    assert (rg.ones(2, dtype=rg.int32) + rg.ones(2)).dtype == rg.float32
    assert (rg.ones(2, dtype=rg.bool) + 1).dtype == rg.int64


@pytest.mark.parametrize(
    ("dtype", "number"), [(rg.uint8, -1), (rg.uint8, 256), (rg.int32, 2**40), (rg.int32, -(2**31) - 1)]
)
def test_integers_beyond_the_dtype(dtype: rg.DType, number: int) -> None:
    x = rg.tensor([0, 1, 2], dtype=dtype)
    calls: list[Any] = [
        *(lambda: x + number, lambda: number - x, lambda: x.mul(number), lambda: x // number),
        *(lambda: x.maximum(number), lambda: x.add_(number), lambda: x.fill_(number)),
        *(lambda: x.where(x > 0, number), lambda: rg.where(x > 0, number, x), lambda: x.__setitem__(0, number)),
        *(
            lambda: x.masked_fill(x > 0, number),
            lambda: rg.full((2,), number, dtype=dtype),
            lambda: rg.full_like(x, number),
        ),
        lambda: rg.arange(number, number + 1, dtype=dtype),
    ]
    for call in calls:
        with pytest.raises(OverflowError, match=rf"{number} .*{str(dtype).split('.')[-1]}"):
            call()
    assert x.tolist() == [0, 1, 2]
    for ask in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "eq", "lt"):
        assert getattr(x, ask)(number).tolist() == getattr(x.long(), ask)(number).tolist()
    assert (x == number).tolist() == [False] * 3
    assert (x > number).tolist() == [number < 0] * 3
    assert (number > x).tolist() == [number > 0] * 3
    assert number not in x
    # What is computed in floating-point numbers has room.
    assert (x / number).tolist() == (x.float() / number).tolist()


# --- operators ---


def test_operators_with_scalars_on_both_sides() -> None:
    t = rg.tensor([1.0, 2.0, 4.0])
    assert (2 + t).tolist() == [3, 4, 6]
    assert (2 - t).tolist() == [1, 0, -2]
    assert (2 * t).tolist() == [2, 4, 8]
    assert (2 / t).tolist() == [2, 1, 0.5]
    assert (t**2).tolist() == [1, 4, 16]
    assert (-t).tolist() == [-1, -2, -4]
    assert abs(-t).tolist() == [1, 2, 4]


@pytest.mark.parametrize("dtype", [rg.int64, rg.int32, rg.uint8])
def test_powers_of_integers(dtype: rg.DType) -> None:
    x = rg.tensor([0, 1, 2, 3, 7], dtype=dtype)
    for exponent in (0, 1, 2, 3, 41, True):
        for power in (x**exponent, x.pow(exponent), x ** rg.tensor(exponent, dtype=dtype)):
            assert power.dtype == dtype
            np.testing.assert_array_equal(power.numpy(), x.numpy() ** x.numpy().dtype.type(exponent))
    assert (2**x).tolist() == [1, 2, 4, 8, 128]
    assert (2**x).dtype == dtype
    assert (x**2.0).dtype == (x**0.5).dtype == (x ** rg.ones(1)).dtype == rg.float32
    for negative in (-1, -2):
        with pytest.raises(ValueError, match=rf"pow.* {negative} "):
            x**negative
    with pytest.raises(ValueError, match=r"pow.* -1 "):
        x.pow(-1)


def test_powers_of_integers_with_negative_exponents_in_a_tensor() -> None:
    x, e = rg.tensor([[-2], [-1], [0], [1], [2]]), rg.tensor([-3, -2, 2**40, 2**40 + 1])
    want = [[0, 0, 0, 0], [-1, 1, 1, -1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert (x**e).tolist() == want
    truth = rg.tensor([True, False]) ** 3
    assert truth.dtype == rg.int64
    assert truth.tolist() == [1, 0]


def test_comparisons() -> None:
    a, b = rg.tensor([1.0, 2.0, 3.0]), rg.tensor([3.0, 2.0, 1.0])
    assert (a < b).tolist() == [True, False, False]
    assert (a <= b).tolist() == [True, True, False]
    assert (a == b).tolist() == [False, True, False]
    assert (a != b).tolist() == [True, False, True]
    assert (a > 2).tolist() == [False, False, True]
    assert (a <= 2).tolist() == [True, True, False]
    assert (a == b).dtype == rg.bool


def test_comparison_with_something_else() -> None:
    for other in ("a", None, object()):
        same: Any = rg.ones(1) == other
        different: Any = rg.ones(1) != other
        assert (same, different) == (False, True)


@pytest.mark.parametrize("other", ["a", None, object, [1], {}])
def test_arithmetic_with_something_else(other: Any) -> None:
    with pytest.raises(TypeError):
        rg.ones(1) + other
    with pytest.raises(TypeError):
        other * rg.ones(1)


@pytest.mark.parametrize(
    ("a", "b"),
    [((), (3,)), ((4,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((3,), (3,))],
)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    if not a or a == (4,):
        with pytest.raises((ValueError, RuntimeError), match="matmul"):
            rg.tensor(x) @ rg.tensor(y)
    else:
        np.testing.assert_allclose((rg.tensor(x) @ rg.tensor(y)).numpy(), x @ y, rtol=1e-12)


def test_errors_name_the_op_and_the_shapes() -> None:
    with pytest.raises((ValueError, RuntimeError), match=r"add.*\(2,?\).*\(3,?\)"):
        rg.ones(2) + rg.ones(3)
    with pytest.raises((ValueError, RuntimeError), match=r"matmul"):
        rg.ones(2, 3) @ rg.ones(2, 3)


# --- shapes ---


def test_views() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    t = rg.tensor(a)
    np.testing.assert_array_equal(t.view(6, 4).numpy(), a.reshape(6, 4))
    np.testing.assert_array_equal(t.reshape(-1, 2).numpy(), a.reshape(-1, 2))
    np.testing.assert_array_equal(t.permute(2, 0, 1).numpy(), a.transpose(2, 0, 1))
    np.testing.assert_array_equal(t.transpose(0, -1).numpy(), a.swapaxes(0, 2))
    np.testing.assert_array_equal(t.flatten(1).numpy(), a.reshape(2, 12))
    assert t.flatten().shape == (24,)
    assert t.unsqueeze(1).shape == (2, 1, 3, 4)
    assert t.unsqueeze(-1).squeeze(-1).shape == (2, 3, 4)
    assert t[:1].squeeze().shape == (3, 4)
    assert t[:1].expand(5, -1, -1).shape == (5, 3, 4)
    assert t.movedim(0, -1).shape == (3, 4, 2)
    assert t[0].t().shape == (4, 3)
    assert t.mT.shape == (2, 4, 3)
    with pytest.raises((ValueError, RuntimeError)):
        t.transpose(0, 1).view(24)
    assert t.transpose(0, 1).reshape(24).tolist() == a.swapaxes(0, 1).ravel().tolist()


@pytest.mark.parametrize("shape", [(5, 5), (-1, -1), (-2, 12), (7, -1), (0, -1)])
def test_bad_reshapes(shape: tuple[int, ...]) -> None:
    with pytest.raises((ValueError, RuntimeError), match="reshape|view|shape"):
        rg.zeros(2, 12).reshape(shape)


def test_reductions() -> None:
    a = np.random.default_rng(0).standard_normal((2, 3, 4))
    t = rg.tensor(a)
    for dims in (None, 0, -1, (0, 2), (0, 1, 2)):
        for keepdim in (False, True):
            if dims is None and keepdim:
                continue
            args: tuple[Any, ...] = () if dims is None else (dims, keepdim)
            np.testing.assert_allclose(t.sum(*args).numpy(), a.sum(axis=dims, keepdims=keepdim), rtol=1e-12)
            np.testing.assert_allclose(t.mean(*args).numpy(), a.mean(axis=dims, keepdims=keepdim), rtol=1e-12)
            np.testing.assert_allclose(t.amax(*args).numpy(), a.max(axis=dims, keepdims=keepdim))
    values, indices = t.max(1)
    np.testing.assert_array_equal(values.numpy(), a.max(1))
    np.testing.assert_array_equal(indices.numpy(), a.argmax(1))
    assert t.argmax().item() == a.argmax()
    assert t.max().item() == a.max()
    assert t.min().item() == a.min()
    assert rg.tensor([True, True]).sum().item() == 2


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_extremes_of_whole_numbers_go_to_the_ends_of_their_range(dtype: str) -> None:
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    a = np.array([[high, low], [1, high]], dtype=dtype)
    t = rg.tensor(a)
    assert t.min().dtype == t.dtype
    assert (t.min().item(), t.max().item()) == (low, high)
    assert t.amin(1).tolist() == a.min(1).tolist()
    assert t.amax(0).tolist() == a.max(0).tolist()
    for found, where, want, at in [(*t.min(1), a.min(1), a.argmin(1)), (*t.max(1), a.max(1), a.argmax(1))]:
        np.testing.assert_array_equal(found.numpy(), want)
        np.testing.assert_array_equal(where.numpy(), at)


def test_argmax_of_many_blocks() -> None:
    # The position found in each block waits in scratch for those of the others.
    a = np.random.default_rng(0).standard_normal((3, 300_001), dtype=np.float32)
    t = rg.tensor(a)
    np.testing.assert_array_equal(t.argmax(1).numpy(), a.argmax(1))
    assert t.argmax().item() == a.argmax()


def test_the_maximum_of_nothing() -> None:
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        rg.zeros(0).max()
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        rg.zeros(3, 0).amax(1)
    assert rg.zeros(0, 3).amax(1).shape == (0,)
    assert rg.zeros(0).sum().item() == 0


def test_split_and_chunk_are_views() -> None:
    t = rg.arange(10.0)
    assert [p.tolist() for p in t.split(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [p.shape for p in rg.zeros(2, 5).split([1, 0, 4], 1)] == [(2, 1), (2, 0), (2, 4)]
    assert [p.shape for p in rg.zeros(7, 2).chunk(3)] == [(3, 2), (3, 2), (1, 2)]
    assert [p.shape for p in rg.zeros(0, 2).split(5)] == [(0, 2)]
    assert [p.shape for p in rg.zeros(0, 2).split(0)] == [(0, 2)]
    assert [p.shape for p in rg.zeros(0, 2).chunk(2)] == [(0, 2), (0, 2)]
    t.split(4)[1].zero_()
    assert t.tolist() == [0, 1, 2, 3, 0, 0, 0, 0, 8, 9]
    x = rg.ones(5, requires_grad=True)
    first, second = x.split([2, 3])
    (first.sum() + 2 * second.sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 2, 2, 2]
    for bad in (0, -1, [1, 2], [-1, 6]):
        with pytest.raises(ValueError, match="split"):
            x.split(bad)
    with pytest.raises(ValueError, match="chunk"):
        x.chunk(0)


def test_cat_stack_where() -> None:
    a, b = rg.ones(2, 3), rg.zeros(1, 3)
    assert rg.cat([a, b]).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert rg.cat([a, a], dim=1).shape == (2, 6)
    assert rg.stack([b, b], dim=-1).shape == (1, 3, 2)
    assert rg.where(rg.tensor([True, False]), rg.ones(2), rg.zeros(2)).tolist() == [1, 0]
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        rg.cat([])
    with pytest.raises((ValueError, RuntimeError)):
        rg.cat([a, rg.ones(2, 2)])


def test_clone_and_copies() -> None:
    t = rg.tensor([1.0, 2.0], requires_grad=True)
    c = t.clone()
    assert c.requires_grad
    assert not c.is_leaf
    d = copy.deepcopy(t)
    assert d.requires_grad
    assert d.is_leaf
    with rg.no_grad():
        d.zero_()
    assert t.tolist() == [1, 2]
    with pytest.raises((RuntimeError, TypeError)):
        copy.deepcopy(t * 2)


def test_a_deep_copy_has_a_gradient_of_its_own() -> None:
    t = rg.tensor([1.0, 2.0], requires_grad=True)
    (t * t).sum().backward()
    assert t.grad is not None
    d, g = copy.deepcopy((t, t.grad))
    assert d.grad is g
    assert g.tolist() == [2, 4]
    g.zero_()
    assert t.grad.tolist() == [2, 4]
    assert copy.deepcopy(rg.ones(1, requires_grad=True)).grad is None


# --- printing and pickling ---


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (rg.tensor(1.5), "tensor(1.5)"),
        (rg.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (rg.tensor([1, 2]), "tensor([1, 2])"),
        (rg.tensor([True, False]), "tensor([ True, False])"),
        (rg.tensor([1.0], dtype=rg.float64), "tensor([1.], dtype=retrograd.float64)"),
        (rg.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (rg.zeros(0), "tensor([])"),
        (rg.zeros(2, 2), "tensor([[0., 0.],\n        [0., 0.]])"),
    ],
    ids=str,
)
def test_repr(tensor: Tensor, text: str) -> None:
    assert repr(tensor) == text


def test_repr_of_results_and_of_large_tensors() -> None:
    x = rg.tensor([1.0], requires_grad=True)
    assert "grad_fn=<" in repr(x * 2)
    assert len(repr(rg.zeros(1000, 1000))) < 2000
    assert "nan" in repr(rg.tensor([float("nan"), float("inf")]))
    assert "size=(0, 3)" in repr(rg.zeros(0, 3))
    assert repr(rg.float32) == "retrograd.float32"


@pytest.mark.parametrize("dtype", ALL)
def test_pickling(dtype: str) -> None:
    t = rg.tensor([[0.0, 1.0], [1.0, 0.0]]).to(getattr(rg, dtype)).t()
    u = pickle.loads(pickle.dumps(t))
    assert u.dtype == t.dtype
    assert u.to(rg.float32).tolist() == t.to(rg.float32).tolist()


def test_pickling_keeps_requires_grad() -> None:
    u = pickle.loads(pickle.dumps(rg.ones(2, requires_grad=True)))
    assert u.requires_grad
    assert u.is_leaf


def test_dtypes_pickle_to_themselves() -> None:
    for name in ALL:
        dtype = getattr(rg, name)
        assert pickle.loads(pickle.dumps(dtype)) == dtype
        assert copy.deepcopy(dtype) == dtype
        assert len({dtype, copy.copy(dtype)}) == 1
