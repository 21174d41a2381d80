"""Elementwise operations on operands that repeat, are transposed or have gaps, beside the same on contiguous ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benches import peers
from benches.case import Case
from benches.operands import operand

__all__ = ["PEERS", "cases", "contiguous"]

PEERS = ["retrograd", "numpy", "torch"]

# Edges of square matrices: within a core's second cache, about its size or the third's, and beyond all.
SIZES = (300, 1000, 3000)
# The operation, and the contiguous one that does as much arithmetic.
OPERATIONS = {
    "x + y": "x + y",
    "x + row": "x + y",
    "x + column": "x + y",
    "tens + ten": "x + y",
    "tens + tens[:, :1]": "x + y",
    "twos + halves": "x + y",
    "hundreds + means": "x + y",
    "x + y.T": "x + y",
    "x.T + y.T": "x + y",
    "x + wide[:, ::2]": "x + y",
    "x + tall[::2]": "x + y",
    "exp(x)": "exp(x)",
    "exp(x.T)": "exp(x)",
    "exp(channels.T)": "exp(x)",
    "exp(wide[:, ::2])": "exp(x)",
    "relu(x)": "relu(x)",
    "relu(x.T)": "relu(x)",
    "copy(x)": "copy(x)",
    "copy(x.T)": "copy(x)",
}


def contiguous(name: str) -> str:
    """The case that a case compares to."""
    operation, size = name.rsplit(" ", 1)
    return f"{OPERATIONS[operation]} {size}"


def cases(peer: str) -> list[Case]:
    """One case for each operation and each size."""
    package = peers.package(peer)
    functions = _functions(peer, package)

    @cache
    def scope(n: int) -> dict[str, Any]:
        random = np.random.default_rng(0)
        shapes = {"x": (n, n), "y": (n, n), "row": (n,), "column": (n, 1), "wide": (n, 2 * n), "tall": (2 * n, n)}
        shapes |= {"channels": (20, n * n // 20), "tens": (n * n // 10, 10), "ten": (10,)}
        shapes |= {"twos": (n * n // 2, 2), "halves": (n * n // 2, 1)}
        shapes |= {"hundreds": (n * n // 100, 100), "means": (n * n // 100, 1)}
        values = {key: random.standard_normal(shape, np.float32) for key, shape in shapes.items()}
        return {key: operand(package, value) for key, value in values.items()} | functions

    return [
        Case(f"{operation} {n}", operation, lambda n=n: scope(n))  # type: ignore[misc]
        for n in SIZES
        for operation in OPERATIONS
        if operation.split("(")[0] in functions or "(" not in operation
    ]


def _functions(peer: str, package: Any) -> dict[str, Any]:
    if peer == "numpy":
        return {"exp": np.exp, "copy": lambda x: x.copy("C")}
    # What is contiguous already is its own contiguous form.
    return {
        "exp": package.exp,
        "relu": package.relu,
        "copy": lambda x: x.clone() if x.is_contiguous() else x.contiguous(),
    }


def test_layouts(benchmark: Any, peer: str, case: Case) -> None:
    benchmark.group, benchmark.name = f"layouts: {case.name}", peer
    benchmark(case.function())
