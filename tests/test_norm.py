"""Layer normalisation as users call it; the op itself is swept in `test_ops.py`."""

from __future__ import annotations

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from reference import norm as reference
from retrograd import Tensor, nn, vmap
from retrograd.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3, 4))
W, B = RNG.standard_normal((2, 3, 4))


def test_as_a_function() -> None:
    x, w, b = rg.tensor(X), rg.tensor(W), rg.tensor(B)
    for arguments, arrays in (((), ()), ((w,), (W,)), ((w, b), (W, B)), ((None, b), (None, B))):
        want = reference.layer_norm(X, *arrays, dims=2)
        np.testing.assert_allclose(F.layer_norm(x, (3, 4), *arguments).numpy(), want, rtol=1e-12)
    want = reference.layer_norm(X, W[0], dims=1, eps=0.5)
    np.testing.assert_allclose(F.layer_norm(x, [4], w[0], eps=0.5).numpy(), want, rtol=1e-12)


def test_a_bias_alone_gets_its_gradient() -> None:
    b = rg.tensor(B, requires_grad=True)
    F.layer_norm(rg.tensor(X), (3, 4), None, b).sum().backward()
    assert b.grad is not None
    assert b.grad.tolist() == np.full((3, 4), 5.0).tolist()


@pytest.mark.parametrize("needed", ["x", "w", "b", "xb", "wb"])
def test_gradients_of_some_operands(needed: str) -> None:
    """Whichever operands want a gradient, each gets the one it gets beside the others."""

    def grads(names: str, create_graph: bool) -> dict[str, list[float]]:
        tensors = {n: rg.tensor(a, requires_grad=n in names) for n, a in zip("xwb", (X, W, B), strict=True)}
        y = F.layer_norm(tensors["x"], (3, 4), tensors["w"], tensors["b"])
        leaves = [tensors[n] for n in names]
        got = rg.autograd.grad((y * y).sum(), leaves, create_graph=create_graph)
        return {n: g.tolist() for n, g in zip(names, got, strict=True)}

    every = grads("xwb", create_graph=False)
    for create_graph in (False, True):
        for name, got in grads(needed, create_graph).items():
            np.testing.assert_allclose(got, every[name], rtol=1e-11, atol=1e-12)


def test_third_derivatives() -> None:
    check_gradients(lambda x, w: F.layer_norm(x, (4,), w), [X[0, :2], W[0]], order=3)


def test_the_layer() -> None:
    layer = nn.LayerNorm((3, 4), dtype=rg.float64)
    assert list(layer.state_dict()) == ["weight", "bias"]
    np.testing.assert_allclose(layer(rg.tensor(X)).detach().numpy(), reference.layer_norm(X, dims=2), rtol=1e-12)
    assert repr(layer) == "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True)"
    assert list(nn.LayerNorm(4, bias=False).state_dict()) == ["weight"]
    assert list(nn.LayerNorm(4, elementwise_affine=False).state_dict()) == []
    assert nn.LayerNorm(4).normalized_shape == (4,)


def test_it_trains() -> None:
    rg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 1))
    optimizer = rg.optim.Adam(net.parameters(), lr=0.02)
    x = rg.randn(64, 4)
    y = (x[:, :1] * x[:, 1:2]).sin()

    @rg.compile
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x, y).item() for _ in range(150)]
    assert losses[-1] < 0.1 * losses[0]


def test_rows_that_do_not_lie_evenly() -> None:
    x = rg.tensor(RNG.standard_normal((4, 6, 8)))[::2, ::3, ::2]
    np.testing.assert_allclose(
        F.layer_norm(x, (2, 4)).numpy(), reference.layer_norm(x.numpy(), dims=2), rtol=1e-11, atol=1e-13
    )


def test_what_does_not_fit() -> None:
    x = rg.ones(3, 4)
    with pytest.raises(
        ValueError, match=r"layer_norm: normalized_shape \[3\] is not how the input's shape \(3, 4\) ends"
    ):
        F.layer_norm(x, (3,))
    with pytest.raises(ValueError, match=r"layer_norm: normalized_shape"):
        F.layer_norm(x, ())
    with pytest.raises(ValueError, match=r"'weight' of shape \(3,\).*must have the shape of the normalised dimensions"):
        F.layer_norm(x, 4, rg.ones(3))
    with pytest.raises(TypeError, match="operands must share a dtype"):
        F.layer_norm(x, 4, rg.ones(4, dtype=rg.float64))
    with pytest.raises(TypeError, match="must be a floating-point tensor"):
        F.layer_norm(rg.arange(4), 4)
    with pytest.raises(NotImplementedError, match="scale and shift the result instead"):
        vmap(lambda w: F.layer_norm(x, (4,), w))(rg.ones(2, 4))
    with pytest.raises(ValueError, match="at least one dimension"):
        nn.LayerNorm(())
    with pytest.raises(NotImplementedError, match="device"):
        nn.LayerNorm(3, device="cuda")
