"""Whole training steps: take the next batch, forward, loss, backward, update."""

from __future__ import annotations

import importlib
from itertools import cycle, pairwise
from typing import Any

from benches import peers
from benches.case import Case
from benches.models import MODELS, Model, batches

__all__ = ["PEERS", "cases"]

PEERS = ["retrograd", "retrograd.compile", "torch", "jax"]
# torch.compile takes half a minute to compile, and a C++ compiler: `python -m benches workloads --torch-compile`.


def cases(peer: str) -> list[Case]:
    """One case for each model."""
    make = _jax if peer == "jax" else _like_torch
    return [make(peer, name, model) for name, model in MODELS.items()]


def _like_torch(peer: str, name: str, model: Model) -> Case:
    t = peers.package(peer)
    nn, F, optim = t.nn, t.nn.functional, t.optim  # noqa: N806

    def scope() -> dict[str, Any]:
        t.manual_seed(0)
        layers: list[Any] = []
        for n, m in pairwise(model.sizes):
            layers += [nn.Linear(n, m), nn.Tanh() if model.activation == "tanh" else nn.ReLU()]
        net = nn.Sequential(*layers[:-1])
        loss_of = F.mse_loss if model.loss == "mse" else F.cross_entropy
        # torch's fused optimizers are its fastest; Retrograd's are always fused.
        if model.optimizer == "sgd":
            optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)
        else:
            optimizer = optim.Adam(net.parameters(), lr=1e-3, fused=True)

        def train(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = loss_of(net(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        if peer == "torch.compile":
            # The optimizer runs as it is: its fused kernel is one call already.
            forward = t.compile(lambda x, y: loss_of(net(x), y))

            def train(x: Any, y: Any) -> Any:
                optimizer.zero_grad()
                loss = forward(x, y)
                loss.backward()
                optimizer.step()
                return loss.detach()

        data = [(t.from_numpy(x), t.from_numpy(y)) for x, y in batches(model)]
        step = t.compile(train) if peer == "retrograd.compile" else train
        return {"step": step, "data": cycle(data)}

    return Case(name, "x, y = next(data)\nloss = step(x, y)", scope)


def _jax(peer: str, name: str, model: Model) -> Case:
    jax, optax = peers.package(peer), importlib.import_module("optax")
    jnp = jax.numpy

    def forward(layers: Any, x: Any) -> Any:
        activation = jnp.tanh if model.activation == "tanh" else jax.nn.relu
        *hidden, (w, b) = layers
        for v, c in hidden:
            x = activation(x @ v + c)
        return x @ w + b

    def loss_of(layers: Any, x: Any, y: Any) -> Any:
        out = forward(layers, x)
        if model.loss == "mse":
            return ((out - y) ** 2).mean()
        return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()

    optimizer = optax.sgd(0.01, momentum=0.9) if model.optimizer == "sgd" else optax.adam(1e-3)

    def train(state: Any, x: Any, y: Any) -> Any:
        layers, moments = state
        loss, grads = jax.value_and_grad(loss_of)(layers, x, y)
        updates, moments = optimizer.update(grads, moments, layers)
        return (optax.apply_updates(layers, updates), moments), loss

    def scope() -> dict[str, Any]:
        keys = jax.random.split(jax.random.key(0), len(model.sizes))
        layers = [
            (jax.random.normal(key, (n, m)) / n**0.5, jnp.zeros(m))
            for key, n, m in zip(keys, model.sizes, model.sizes[1:], strict=False)
        ]
        data = [(jnp.asarray(x), jnp.asarray(y)) for x, y in batches(model)]
        step = jax.jit(train, donate_argnums=0)
        # The state lives in a list: each loop begins where the last ended.
        return {"step": step, "data": cycle(data), "state": [(layers, optimizer.init(layers))]}

    return Case(name, "state[0], loss = step(state[0], *next(data))", scope, "loss.block_until_ready()")


def test_step(benchmark: Any, peer: str, case: Case) -> None:
    benchmark.group, benchmark.name = f"training step: {case.name}", peer
    benchmark(case.function())
