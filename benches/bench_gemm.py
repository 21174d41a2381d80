"""Matrix products of 60 shapes, into an output that is there already where a framework can do that."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from benches import peers
from benches.case import Case
from benches.operands import operand

__all__ = ["PEERS", "SHAPES", "cases", "flops", "shape_of", "traffic"]

PEERS = ["retrograd", "numpy", "torch"]

Shape = tuple[int, int, int]

# (m, k, n): an m x k matrix by a k x n one.
SHAPES: dict[str, list[Shape]] = {
    "square": [(n, n, n) for n in (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)],
    "batch 1": [
        (1, 64, 64),
        (1, 256, 256),
        (1, 784, 256),
        (1, 1000, 10),
        (1, 1024, 1024),
        (1, 512, 2048),
        (1, 4096, 1024),
        (1, 4096, 4096),
    ],
    "skinny": [
        (2, 512, 512),
        (4, 256, 256),
        (8, 64, 64),
        (8, 512, 512),
        (16, 256, 1024),
        (16, 1024, 1024),
        (32, 32, 32768),
        (32, 784, 256),
        (32, 1024, 4096),
        (64, 512, 2048),
    ],
    "tall": [
        (1797, 64, 10),
        (2048, 128, 10),
        (4096, 64, 64),
        (8192, 32, 32),
        (10000, 16, 16),
        (65536, 8, 8),
        (16384, 128, 4),
        (4096, 1024, 1),
    ],
    "deep": [  # As in weight gradients.
        (64, 4096, 64),
        (10, 8192, 128),
        (256, 128, 784),
        (16, 16384, 16),
        (128, 2048, 128),
        (32, 65536, 8),
        (1, 65536, 1),
    ],
    "odd": [
        (3, 5, 7),
        (17, 17, 17),
        (31, 33, 35),
        (63, 65, 67),
        (100, 100, 100),
        (127, 255, 129),
        (7, 1001, 13),
        (129, 65, 3),
        (255, 257, 253),
        (333, 333, 333),
        (511, 513, 509),
        (1023, 1025, 1022),
    ],
}


def shape_of(name: str) -> Shape:
    """The shape in a case's name."""
    m, k, n = map(int, name.rsplit(" ", 1)[1].split("x"))
    return m, k, n


def flops(name: str) -> float:
    """Floating-point operations of a case."""
    m, k, n = shape_of(name)
    return 2.0 * m * k * n


def traffic(name: str) -> float:
    """The bytes a case moves at least: each matrix once."""
    m, k, n = shape_of(name)
    return 4.0 * (m * k + k * n + m * n)


def cases(peer: str) -> list[Case]:
    """One case for each shape."""
    package = peers.package(peer)
    statement = "product(a, b, out=c)" if _takes_output(package) else "a @ b"

    def case(kind: str, shape: Shape) -> Case:
        return Case(f"{kind} {'x'.join(map(str, shape))}", statement, lambda: _operands(package, shape))

    return [case(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes]


def _takes_output(package: Any) -> bool:
    scope = _operands(package, (1, 1, 1))
    try:
        scope["product"](scope["a"], scope["b"], out=scope["c"])
    except TypeError:
        return False
    return True


def _operands(package: Any, shape: Shape) -> dict[str, Any]:
    m, k, n = shape
    random = np.random.default_rng(0)
    arrays = {"a": random.random((m, k), np.float32), "b": random.random((k, n), np.float32)}
    arrays["c"] = np.zeros((m, n), np.float32)
    scope: dict[str, Any] = {name: operand(package, array) for name, array in arrays.items()}
    return scope | {"product": getattr(package, "matmul", operator.matmul)}


def test_gemm(benchmark: Any, peer: str, case: Case) -> None:
    benchmark.group, benchmark.name = f"gemm: {case.name}", peer
    benchmark(case.function())
