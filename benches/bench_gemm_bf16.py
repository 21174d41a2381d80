"""Matrix products of bfloat16 with sums in float32, into an output that is there already."""

from __future__ import annotations

from typing import Any

import numpy as np

from benches import peers
from benches.bench_gemm import Shape
from benches.case import Case

__all__ = ["PEERS", "SHAPES", "cases"]

PEERS = ["retrograd", "torch"]

# (m, k, n): an m x k matrix by a k x n one.
SHAPES: list[Shape] = [
    *((n, n, n) for n in (64, 128, 256, 512, 1024, 2048)),
    (32, 1024, 1024),
    (128, 784, 256),
    (256, 1024, 1024),
    (768, 384, 1536),
    (1, 1024, 1024),
]


def cases(peer: str) -> list[Case]:
    """One case for each shape."""
    t = peers.package(peer)

    def operands(shape: Shape) -> dict[str, Any]:
        m, k, n = shape
        random = np.random.default_rng(0)
        sizes = {"a": (m, k), "b": (k, n), "c": (m, n)}
        scope = {name: t.from_numpy(random.random(size, np.float32)).to(t.bfloat16) for name, size in sizes.items()}
        return scope | {"matmul": t.matmul}

    def case(shape: Shape) -> Case:
        return Case(f"bfloat16 {'x'.join(map(str, shape))}", "matmul(a, b, out=c)", lambda: operands(shape))

    return [case(shape) for shape in SHAPES]


def test_gemm_bf16(benchmark: Any, peer: str, case: Case) -> None:
    benchmark.group, benchmark.name = f"gemm: {case.name}", peer
    benchmark(case.function())
