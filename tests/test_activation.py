"""Activations and functions of each element as users call them; the ops themselves are swept in `test_ops.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from reference import activation as reference
from reference import softmax as softmaxes
from retrograd import Tensor, nn
from retrograd.nn import functional as F

X = np.linspace(-6, 6, 41) + 0.013

LAYERS: dict[str, tuple[nn.Module, Callable[[Any], Any]]] = {
    "GELU": (nn.GELU(), lambda x: reference.gelu(x, approximate="none")),
    "GELU tanh": (nn.GELU("tanh"), lambda x: reference.gelu(x, approximate="tanh")),
    "SiLU": (nn.SiLU(), reference.silu),
    "ELU": (nn.ELU(1.5), lambda x: reference.elu(x, alpha=1.5)),
    "LeakyReLU": (nn.LeakyReLU(0.2), lambda x: reference.leaky_relu(x, slope=0.2)),
    "Hardtanh": (nn.Hardtanh(-2, 3), lambda x: np.clip(x, -2, 3)),
    "ReLU6": (nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    "LogSigmoid": (nn.LogSigmoid(), lambda x: -np.log1p(np.exp(-x))),
    "Softplus": (nn.Softplus(), lambda x: reference.softplus(x, beta=1, threshold=20)),
    "Softplus beta": (nn.Softplus(2, 3), lambda x: reference.softplus(x, beta=2, threshold=3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    layer, want = LAYERS[name]
    np.testing.assert_allclose(layer(rg.tensor(X)).numpy(), want(X), rtol=1e-13)


@pytest.mark.parametrize("name", LAYERS)
def test_third_derivatives(name: str) -> None:
    """The fused backward of an activation is an op with derivatives of its own."""
    check_gradients(LAYERS[name][0], [X[::6]], order=3)


@pytest.mark.parametrize(("layer", "kernel"), [(nn.SiLU(), "Silu"), (nn.GELU(), "Gelu"), (nn.Softplus(), "Softplus")])
def test_the_backward_is_one_op(layer: nn.Module, kernel: str) -> None:
    x = rg.tensor(X, requires_grad=True)
    (g,) = rg.autograd.grad(layer(x).sum(), [x], create_graph=True)
    assert g.grad_fn is not None
    assert repr(g.grad_fn).startswith(f"<{kernel}Backward(")


def test_representations() -> None:
    assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')"
    assert repr(nn.Softplus()) == "Softplus(beta=1.0, threshold=20.0)"


def test_limits() -> None:
    """Far out every activation is what it tends to, and so are its derivatives."""
    ends = rg.tensor([-math.inf, -1e30, 1e30, math.inf], dtype=rg.float64)
    for name in ("GELU", "GELU tanh", "SiLU", "Softplus", "Softplus beta"):
        layer, _ = LAYERS[name]
        x = ends.clone().requires_grad_()
        y = layer(x)
        assert y.tolist() == [0, 0, 1e30, math.inf]
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [0, 0, 1, 1]


def test_kinks_have_torchs_gradients() -> None:
    x = rg.tensor([-1.0, 0.0, 1.0, 6.0], requires_grad=True)
    for layer, want in (
        (nn.ReLU6(), [0, 0, 1, 0]),
        (nn.Hardtanh(), [0, 1, 0, 0]),
        (nn.LeakyReLU(0.5), [0.5, 0.5, 1, 1]),
        (nn.ELU(2.0), [pytest.approx(2 / math.e), 2, 1, 1]),
    ):
        assert rg.autograd.grad(layer(x).sum(), [x])[0].tolist() == want


def test_extremes_of_the_others() -> None:
    x = rg.tensor([-math.inf, -1e30, 1e30, math.inf], dtype=rg.float64, requires_grad=True)
    for layer, want, slopes in (
        (nn.ELU(2.0), [-2, -2, 1e30, math.inf], [0, 0, 1, 1]),
        (nn.LogSigmoid(), [-math.inf, -1e30, 0, 0], [1, 1, 0, 0]),
        (nn.LeakyReLU(), [-math.inf, -1e28, 1e30, math.inf], [0.01, 0.01, 1, 1]),
    ):
        y = layer(x)
        assert y.tolist() == want
        assert rg.autograd.grad(y.sum(), [x])[0].tolist() == slopes


def test_in_place_forms_and_crossed_bounds_are_refused() -> None:
    for f in (F.leaky_relu, F.elu, F.hardtanh, F.relu6):
        with pytest.raises(NotImplementedError, match="inplace=True is not supported: leave it out"):
            f(rg.ones(2), inplace=True)
    with pytest.raises(ValueError, match=r"hardtanh: min_val \(2\) must not be above max_val \(1\)"):
        F.hardtanh(rg.ones(2), 2.0, 1.0)


def test_unknown_approximation() -> None:
    with pytest.raises(ValueError, match=r"gelu: approximate must be 'none' or 'tanh', not 'erf'"):
        F.gelu(rg.ones(2), "erf")


def test_integers_are_refused() -> None:
    for f in (F.gelu, F.softplus):
        with pytest.raises(TypeError, match=r"must be a floating-point tensor, not int64; cast it with"):
            f(rg.arange(3))


@pytest.mark.parametrize(
    "name", ["log1p", "expm1", "erf", "sin", "cos", "rsqrt", "reciprocal", "square", "sign", "abs"]
)
def test_functions_methods_and_in_place(name: str) -> None:
    x = rg.tensor([0.25, 1.0, 3.0], dtype=rg.float64)
    y = getattr(rg, name)(x)
    assert y.tolist() == getattr(x, name)().tolist()
    z = x.clone()
    assert getattr(z, f"{name}_")() is z
    assert z.tolist() == y.tolist()


def test_integers_become_floats_where_they_must() -> None:
    n = rg.tensor([-2, 0, 3])
    assert n.square().tolist() == [4, 0, 9]
    assert (n**2).dtype == rg.int64
    assert n.sign().tolist() == [-1, 0, 1]
    assert n.sin().dtype == rg.float32
    assert n.reciprocal().tolist() == [-0.5, math.inf, pytest.approx(1 / 3)]
    assert (rg.tensor([True, False]) ** 2).tolist() == [1, 0]


# --- clamp ---


def test_clamp() -> None:
    x = rg.tensor([-2.0, 0.5, math.nan, 7.0])
    np.testing.assert_array_equal(x.clamp(-1, 1).numpy(), np.array([-1, 0.5, np.nan, 1], np.float32))
    np.testing.assert_array_equal(x.clip(max=1).numpy(), np.array([-2, 0.5, np.nan, 1], np.float32))
    np.testing.assert_array_equal(rg.clamp(x, min=0).numpy(), np.array([0, 0.5, np.nan, 7], np.float32))
    assert x[:2].clamp(1, -1).tolist() == [-1, -1]
    y = x.clone()
    assert y.clamp_(0, 1) is y
    np.testing.assert_array_equal(y.numpy(), np.array([0, 0.5, np.nan, 1], np.float32))


def test_clamp_of_integers_keeps_them() -> None:
    n = rg.tensor([-5, 2, 2**60 + 1])
    assert n.clamp(-1, 3).tolist() == [-1, 2, 3]
    assert n.clamp(min=0).tolist() == [0, 2, 2**60 + 1]
    assert n[:2].clamp(0.5).tolist() == [0.5, 2.0]
    assert n.clamp_(0).tolist() == [0, 2, 2**60 + 1]


def test_clamp_by_tensors() -> None:
    x = rg.tensor([[1.0, 5.0], [-3.0, 2.0]], requires_grad=True)
    low = rg.tensor([0.0, 2.0], requires_grad=True)
    y = x.clamp(low, 4)
    assert y.tolist() == [[1, 4], [0, 2]]
    y.sum().backward()
    assert x.grad is not None
    assert low.grad is not None
    assert x.grad.tolist() == [[1, 0], [0, 1]]  # At the bound the gradient is the element's.
    assert low.grad.tolist() == [1, 0]


def test_the_gradient_of_clamp_is_one_at_the_bounds() -> None:
    x = rg.tensor([-1.5, -1.0, 0.0, 1.0, 1.5], requires_grad=True)
    x.clamp(-1, 1).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_clamp_to_nothing() -> None:
    with pytest.raises(ValueError, match="clamp: give at least one of 'min' and 'max'"):
        rg.ones(2).clamp()
    with pytest.raises(TypeError, match="clamp: an operand must be"):
        rg.ones(2).clamp("0")


def test_recorded() -> None:
    """Attributes and constants of a fused backward survive replay."""

    @rg.compile
    def step(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        y = F.gelu(x, "tanh") + F.softplus(x, 2.0, 3.0) + x.clamp(-1, 1) + x.rsqrt()
        g: Tensor = rg.autograd.grad(y.sum(), [x])[0]
        return g

    first, second = rg.tensor([0.3, 2.0]), rg.tensor([0.7, 0.9])
    want = [step(v).tolist() for v in (first, second)]
    assert [step(v).tolist() for v in (first, second)] == want
    assert want[0] != want[1]


# --- softmax ---


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_any_dimension(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    for dim in (0, 1, -1):
        want = getattr(softmaxes, name)(x, dim=dim)
        for y in (getattr(F, name)(rg.tensor(x), dim), getattr(rg, name)(rg.tensor(x), dim)):
            np.testing.assert_allclose(y.numpy(), want, rtol=1e-13)
    t = rg.tensor([1, 2])
    assert getattr(F, name)(t, 0, dtype=rg.float64).dtype == rg.float64
    with pytest.raises(TypeError, match=f"{name}: 'input' must be a floating-point tensor, not int64"):
        getattr(F, name)(t, 0)
    with pytest.raises(IndexError, match=name):
        getattr(F, name)(rg.ones(2), 1)
    with pytest.raises(NotImplementedError, match="say which dimension"):
        getattr(F, name)(rg.ones(2))


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax])
def test_softmax_has_third_derivatives(f: Callable[..., Tensor]) -> None:
    check_gradients(lambda x: f(x, 1), [X[:12].reshape(2, 6)], order=3)


# --- division rounded down ---


def test_floor_division_and_remainder_are_pythons() -> None:
    pairs = [(7.0, 2.0), (-7.0, 2.0), (7.0, -2.0), (1.0, 0.1), (-1e-20, 3.0), (1e9, 7.0), (-1e30, 7.0), (6.0, 0.7)]
    a, b = (rg.tensor(list(v), dtype=rg.float64) for v in zip(*pairs, strict=True))
    assert (a % b).tolist() == [x % y for x, y in pairs]
    np.testing.assert_allclose((a // b).numpy(), [x // y for x, y in pairs], rtol=1e-15)
    n = rg.tensor([7, -7, 5])
    assert (n // 2).tolist() == [3, -4, 2]
    assert (n % rg.tensor([3, 3, 0])).tolist() == [1, 2, 0]
    assert (20 // n).tolist() == [2, -3, 4]
    assert (20 % n).tolist() == [6, -1, 0]
    assert rg.remainder(rg.tensor([1e8 + 8]), 3).item() == (1e8 + 8) % 3
