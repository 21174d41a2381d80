"""Indexing, read and written, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients

ARRAY = np.arange(2 * 3 * 4, dtype=np.float64).reshape(2, 3, 4)

BASIC: list[Any] = [
    0,
    -1,
    (1, 2, 3),
    (-1, -1, -1),
    slice(None),
    slice(1, None),
    slice(None, -1),
    (slice(None), slice(None, None, 2)),
    (slice(None), slice(0, 0)),
    (slice(5, 9),),
    (slice(None), slice(-100, 100), slice(1, 3)),
    (..., 0),
    (0, ..., slice(None, None, 3)),
    ...,
    None,
    (None, 0, None, ...),
    (slice(None), None, 1),
    (),
]


@pytest.mark.parametrize("key", BASIC, ids=repr)
def test_basic_indexing_gives_views_of_numpys_values(key: Any) -> None:
    x = rg.tensor(ARRAY)
    y = x[key]
    np.testing.assert_array_equal(y.numpy(), ARRAY[key])
    assert tuple(y.shape) == ARRAY[key].shape
    if y.numel():
        y.fill_(-1)
        assert (x == -1).sum().item() == y.numel()


@pytest.mark.parametrize("key", BASIC, ids=repr)
def test_basic_assignment(key: Any) -> None:
    x, a = rg.tensor(ARRAY), ARRAY.copy()
    x[key] = 7.5
    a[key] = 7.5
    np.testing.assert_array_equal(x.numpy(), a)
    values = np.random.default_rng(0).standard_normal(a[key].shape)
    x[key] = rg.tensor(values)
    a[key] = values
    np.testing.assert_array_equal(x.numpy(), a)


@pytest.mark.parametrize("key", BASIC, ids=repr)
def test_gradient_of_basic_indexing(key: Any) -> None:
    check_gradients(lambda x: x[key] * x[key], [ARRAY + 1])


def test_assignment_broadcasts() -> None:
    x, a = rg.tensor(ARRAY), ARRAY.copy()
    x[:, 1] = rg.tensor([1.0, 2.0, 3.0, 4.0], dtype=rg.float64)
    a[:, 1] = [1, 2, 3, 4]
    np.testing.assert_array_equal(x.numpy(), a)


INTEGERS: list[Any] = [
    np.array([1, 0, 1]),
    np.array([[0, 1], [1, 1]]),
    np.array([-1, 0]),
    np.array([], np.int64),
]


@pytest.mark.parametrize("key", INTEGERS, ids=repr)
def test_indexing_by_an_integer_tensor(key: Any) -> None:
    x = rg.tensor(ARRAY)
    np.testing.assert_array_equal(x[rg.tensor(key)].numpy(), ARRAY[key])


@pytest.mark.parametrize("key", INTEGERS[:3], ids=repr)
def test_gradient_of_indexing_by_an_integer_tensor(key: Any) -> None:
    index = rg.tensor(key)
    check_gradients(lambda x: x[index] * x[index], [ARRAY[:, 0] + 1])


def test_indexing_by_a_bool_tensor() -> None:
    x = rg.tensor(ARRAY)
    mask = ARRAY % 3 == 0
    np.testing.assert_array_equal(x[rg.tensor(mask)].numpy(), ARRAY[mask])
    rows = np.array([False, True])
    np.testing.assert_array_equal(x[rg.tensor(rows)].numpy(), ARRAY[rows])


def test_assignment_by_a_mask() -> None:
    x, a = rg.tensor(ARRAY), ARRAY.copy()
    x[rg.tensor(a > 10)] = 0.0
    a[a > 10] = 0
    np.testing.assert_array_equal(x.numpy(), a)


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1), (2, 3, 1), (2, 3, 4, 1)], ids=repr)
def test_a_mask_that_does_not_fit(shape: tuple[int, ...]) -> None:
    x, mask = rg.tensor(ARRAY), rg.ones(*shape, dtype=rg.bool)
    with pytest.raises(IndexError):
        x[mask]
    with pytest.raises(IndexError):
        x[mask] = 1.0
    np.testing.assert_array_equal(x.numpy(), ARRAY)


def test_assignment_by_integers_in_a_tensor_is_not_supported() -> None:
    with pytest.raises(NotImplementedError, match="index tensor"):
        rg.tensor(ARRAY)[rg.tensor([1])] = 3.0


@pytest.mark.parametrize("key", [2, -3, (0, 3), (0, 0, 4), (0, 0, 0, 0)], ids=repr)
def test_out_of_range(key: Any) -> None:
    with pytest.raises(IndexError):
        rg.tensor(ARRAY)[key]
    with pytest.raises(IndexError):
        rg.tensor(ARRAY)[key] = 0.0


def test_an_index_tensor_out_of_range_names_the_index() -> None:
    with pytest.raises(IndexError, match="2"):
        rg.tensor(ARRAY)[rg.tensor([0, 2])]


@pytest.mark.parametrize("key", ["a", 1.5, object, {}, slice(None, None, 0), slice("a")], ids=repr)
def test_nonsense(key: Any) -> None:
    with pytest.raises((TypeError, IndexError, ValueError)):
        rg.tensor(ARRAY)[key]


def test_negative_steps_are_refused_by_name() -> None:
    with pytest.raises((ValueError, NotImplementedError), match="step"):
        rg.tensor(ARRAY)[::-1]


def test_iteration_length_and_membership() -> None:
    x = rg.tensor(ARRAY)
    assert len(x) == 2
    rows = list(x)
    assert [tuple(r.shape) for r in rows] == [(3, 4), (3, 4)]
    with pytest.raises(TypeError):
        len(rg.tensor(1.0))
    with pytest.raises(TypeError):
        iter(rg.tensor(1.0))


def test_huge_slices() -> None:
    x = rg.tensor(ARRAY)
    big = 2**62
    assert tuple(x[-big:big, 0:big].shape) == (2, 3, 4)
    with pytest.raises((IndexError, OverflowError)):
        x[2**100]


def test_indexing_a_tensor_of_many_dimensions() -> None:
    x = rg.zeros(1, 1, 1, 1, 1, 1, 1, 1)
    with pytest.raises((ValueError, RuntimeError)):
        x[None]
