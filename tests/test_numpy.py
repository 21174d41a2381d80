"""NumPy in and out: no copy where memory allows, a copy or an error where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import retrograd as rg

DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_, np.float16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_numpy_shares_memory(dtype: Any) -> None:
    a = np.ones((2, 3), dtype)
    t = rg.from_numpy(a)
    a[0, 0] = 0
    assert t[0, 0].item() == 0
    assert t.dtype == getattr(rg, np.dtype(dtype).name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_shares_memory(dtype: Any) -> None:
    t = rg.from_numpy(np.ones((2, 3), dtype))
    a = t.numpy()
    assert a.dtype == dtype
    t.zero_()
    assert not a.any()


def test_strides_and_offsets_are_kept() -> None:
    a = np.arange(24.0).reshape(4, 6)
    t = rg.from_numpy(a[1:, ::2].T)
    np.testing.assert_array_equal(t.numpy(), a[1:, ::2].T)
    t[0, 0] = -1
    assert a[1, 0] == -1
    out = rg.tensor(a)[1:, ::2].t().numpy()
    np.testing.assert_array_equal(out, a[1:, ::2].T)


def test_memory_outlives_its_owner() -> None:
    a = rg.from_numpy(np.full(1000, 3.0)).numpy()
    t = rg.from_numpy(np.full(1000, 4.0))
    assert a.sum() == 3000
    assert t.sum().item() == 4000
    b = rg.full((1000,), 5.0).numpy()
    assert b.sum() == 5000


def test_tensor_copies() -> None:
    a = np.ones(3)
    t = rg.tensor(a)
    a[0] = 9
    assert t.tolist() == [1, 1, 1]


def test_as_tensor_shares_where_it_can() -> None:
    a = np.ones(3)
    t = rg.as_tensor(a)
    a[0] = 9
    assert t.tolist() == [9, 1, 1]
    assert rg.as_tensor(t) is t
    assert rg.as_tensor([1, 2]).dtype == rg.int64


def test_byte_swapped_arrays_are_copied_or_refused() -> None:
    a = np.arange(3, dtype=">f4")
    np.testing.assert_array_equal(rg.tensor(a).numpy(), [0, 1, 2])
    np.testing.assert_array_equal(rg.as_tensor(a).numpy(), [0, 1, 2])


def test_misaligned_arrays_are_copied() -> None:
    raw = np.zeros(4 * 8 + 1, np.uint8)
    a = raw[1:].view(np.float64)
    a[:] = [1, 2, 3, 4]
    assert not a.flags.aligned
    np.testing.assert_array_equal(rg.tensor(a).numpy(), [1, 2, 3, 4])
    np.testing.assert_array_equal(rg.as_tensor(a).numpy(), [1, 2, 3, 4])


def test_read_only_arrays_are_never_written_to() -> None:
    a = np.ones(3)
    a.flags.writeable = False
    try:
        t = rg.from_numpy(a)
    except (ValueError, TypeError) as error:
        assert "read-only" in str(error) or "writable" in str(error)
    else:
        t.zero_()
    t = rg.as_tensor(a)
    t.zero_()
    assert a.tolist() == [1, 1, 1]


def test_negative_strides() -> None:
    a = np.arange(4.0)[::-1]
    np.testing.assert_array_equal(rg.tensor(a).numpy(), a)
    np.testing.assert_array_equal(rg.as_tensor(a).numpy(), a)


def test_strides_that_are_no_multiple_of_the_element() -> None:
    a = np.zeros(3, [("x", np.float32), ("y", np.uint8)])["x"]
    np.testing.assert_array_equal(rg.tensor(a).numpy(), [0, 0, 0])
    np.testing.assert_array_equal(rg.as_tensor(a).numpy(), [0, 0, 0])


def test_a_gradient_must_be_detached_first() -> None:
    t = rg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="detach"):
        t.numpy()
    assert t.detach().numpy().tolist() == [1, 1]


def test_bfloat16_has_no_numpy_dtype() -> None:
    with pytest.raises(TypeError, match="bfloat16"):
        rg.ones(2, dtype=rg.bfloat16).numpy()


def test_numpy_functions_take_tensors() -> None:
    t = rg.tensor([1.0, 4.0])
    assert np.asarray(t).tolist() == [1, 4]
    assert np.sqrt(t.numpy()).tolist() == [1, 2]
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert np.array(t).tolist() == [1, 4]


def test_operators_take_arrays_and_numpy_scalars() -> None:
    t = rg.tensor([1.0, 2.0])
    assert (t + np.float32(1)).tolist() == [2, 3]
    assert (t * np.array([3.0, 4.0], np.float32)).tolist() == [3, 8]
    result = np.array([3.0, 4.0], np.float32) * t
    assert isinstance(result, rg.Tensor)
    assert result.tolist() == [3, 8]
    assert isinstance(np.float32(2) * t, rg.Tensor)


@pytest.mark.parametrize("dtype", [np.complex64, np.uint64, np.str_, object, "M8[s]"])
def test_other_dtypes_are_refused_by_name(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"dtype|complex|uint64|str|object|datetime"):
        rg.tensor(np.zeros(2, dtype))


def test_zero_dimensional_and_empty() -> None:
    assert rg.from_numpy(np.array(3.0)).item() == 3
    assert tuple(rg.from_numpy(np.zeros((0, 3))).shape) == (0, 3)
    assert rg.zeros(0, 3).numpy().shape == (0, 3)
    assert rg.tensor(3.0).numpy().shape == ()


def test_too_many_dimensions() -> None:
    with pytest.raises((ValueError, RuntimeError), match="dimensions"):
        rg.tensor(np.zeros((1,) * 12))


def test_a_broadcast_array() -> None:
    a = np.broadcast_to(np.arange(3.0), (4, 3))
    np.testing.assert_array_equal(rg.tensor(a).numpy(), a)
    np.testing.assert_array_equal(rg.as_tensor(a).numpy(), a)
