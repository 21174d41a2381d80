"""What a small operation costs beyond its arithmetic."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benches import peers
from benches.case import Case

__all__ = ["NAMES", "PEERS", "cases"]

PEERS = ["retrograd", "numpy", "torch", "jax"]

ADD, ADD_GRAD, BACKWARD = "a + b", "a + b, with grad", "((a+b)*a).sum().backward()"
LINEAR, POLICY = "nn.Linear on one row", "policy 4-64-64-2, no_grad"
NAMES = [ADD, ADD_GRAD, BACKWARD, LINEAR, POLICY]


def cases(peer: str) -> list[Case]:
    """The cases on four floats and on one row."""
    match peer:
        case "retrograd" | "torch":
            return _like_torch(peer)
        case "numpy":
            return _numpy()
        case "jax":
            return _jax()
    return []


def _like_torch(peer: str) -> list[Case]:
    t = peers.package(peer)

    def pair(requires_grad: bool) -> dict[str, Any]:
        return {name: t.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=requires_grad) for name in "ab"}

    def linear() -> dict[str, Any]:
        return {"layer": t.nn.Linear(64, 64), "x": t.randn(1, 64)}

    def policy() -> dict[str, Any]:
        nn = t.nn
        net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
        return {"policy": net, "x": t.randn(1, 4), "no_grad": t.no_grad}

    return [
        Case(ADD, "a + b", lambda: pair(False)),
        Case(ADD_GRAD, "a + b", lambda: pair(True)),
        Case(BACKWARD, "((a + b) * a).sum().backward()", lambda: pair(True)),
        Case(LINEAR, "layer(x)", linear),
        Case(POLICY, "with no_grad():\n    policy(x)", policy),
    ]


def _numpy() -> list[Case]:
    np = peers.package("numpy")

    def pair() -> dict[str, Any]:
        return {name: np.array([1, 2, 3, 4], np.float32) for name in "ab"}

    def weights(*sizes: int) -> dict[str, Any]:
        scope = {"x": np.ones((1, sizes[0]), np.float32), "tanh": np.tanh}
        for i, (n, m) in enumerate(pairwise(sizes)):
            scope[f"w{i}"], scope[f"b{i}"] = np.ones((m, n), np.float32), np.ones(m, np.float32)
        return scope

    return [
        Case(ADD, "a + b", pair),
        Case(LINEAR, "x @ w0.T + b0", lambda: weights(64, 64)),
        Case(POLICY, "tanh(tanh(x @ w0.T + b0) @ w1.T + b1) @ w2.T + b2", lambda: weights(4, 64, 64, 2)),
    ]


def _jax() -> list[Case]:
    jax = peers.package("jax")
    jnp = jax.numpy

    def pair() -> dict[str, Any]:
        return {name: jnp.array([1, 2, 3, 4], jnp.float32) for name in "ab"}

    def gradient() -> dict[str, Any]:
        return pair() | {"grad": jax.jit(jax.grad(lambda a, b: ((a + b) * a).sum(), argnums=(0, 1)))}

    def policy() -> dict[str, Any]:
        sizes = [4, 64, 64, 2]
        layers = [(jnp.ones((m, n)), jnp.ones(m)) for n, m in pairwise(sizes)]

        def apply(layers: Any, x: Any) -> Any:
            *hidden, (w, b) = layers
            for v, c in hidden:
                x = jnp.tanh(x @ v.T + c)
            return x @ w.T + b

        return {"policy": jax.jit(apply), "layers": layers, "x": jnp.ones((1, 4))}

    return [
        Case(ADD, "y = a + b", pair, "y.block_until_ready()"),
        Case(BACKWARD, "y = grad(a, b)", gradient, "y[0].block_until_ready()"),
        Case(POLICY, "y = policy(layers, x)", policy, "y.block_until_ready()"),
    ]


def test_overhead(benchmark: Any, peer: str, case: Case) -> None:
    benchmark.group, benchmark.name = f"overheads: {case.name}", peer
    benchmark(case.function())
