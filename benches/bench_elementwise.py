"""Elementwise operations and sums of 100,000 and of 10 million floats, into results that the operation allocates."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benches import peers
from benches.case import Case
from benches.operands import operand

__all__ = ["PEERS", "SIZES", "cases", "operations", "traffic"]

PEERS = ["retrograd", "numpy", "torch"]

SIZES = {"1e5": 100_000, "1e7": 10_000_000}
# The operation, and how many arrays it reads and writes.
BINARY = {"add": ("x + y", 3), "mul": ("x * y", 3)}
UNARY = {"exp": 2, "tanh": 2, "sigmoid": 2, "gelu": 2, "relu": 2}
ARRAYS = {name: arrays for name, (_, arrays) in BINARY.items()} | UNARY | {"sum": 1}


def traffic(name: str) -> tuple[str, float]:
    """The memory test that a case compares to, and the bytes it moves at least."""
    operation, size = name.split()
    arrays = ARRAYS[operation]
    return ("read" if arrays == 1 else "triad"), 4.0 * arrays * SIZES[size]


def operations(name: str) -> float:
    """Floating-point operations of a case, one an element: what a formula takes inside is its own affair."""
    return float(SIZES[name.split()[1]])


def cases(peer: str) -> list[Case]:
    """One case for each operation that the peer has, and each size."""
    package = peers.package(peer)
    functions = _functions(peer, package)

    @cache
    def operands(size: int) -> dict[str, Any]:
        random = np.random.default_rng(0)
        return {name: operand(package, random.standard_normal(size, np.float32)) for name in "xy"}

    def case(name: str, statement: str, size: str) -> Case:
        return Case(f"{name} {size}", statement, lambda: operands(SIZES[size]) | {"f": functions.get(name)})

    return [
        case(name, statement, size)
        for size in SIZES
        for name, statement in [
            *((name, statement) for name, (statement, _) in BINARY.items()),
            *((name, "f(x)") for name in UNARY if name in functions),
            ("sum", "x.sum()"),
        ]
    ]


def _functions(peer: str, package: Any) -> dict[str, Any]:
    if peer == "numpy":
        return {name: getattr(np, name) for name in UNARY if hasattr(np, name)}
    functional = package.nn.functional
    found = {name: getattr(functional, name, None) or getattr(package.Tensor, name, None) for name in UNARY}
    return {name: function for name, function in found.items() if function is not None}


def test_elementwise(benchmark: Any, peer: str, case: Case) -> None:
    benchmark.group, benchmark.name = f"elementwise: {case.name}", peer
    benchmark(case.function())
