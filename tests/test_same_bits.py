"""The same bits at every SIMD level and on 1, 2, 3 and 8 threads; and proof that the other threads really worked."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import retrograd as rg
from checks.programs import run

# Prints digests of every op at every sample, of larger ones that threads share, and of a training run.
PROGRAM = """
    import hashlib, json, sys
    sys.path.insert(0, sys.argv[1])
    import numpy as np
    import retrograd as rg
    from retrograd import _core, nn, optim
    from retrograd.nn import functional as F
    from checks.samples import all_ops

    def digest(tensors):
        h = hashlib.sha256()
        for t in tensors:
            h.update(t.detach().contiguous().numpy().tobytes())
        return h.hexdigest()[:16]

    found = {}
    for op in all_ops():
        for sample in op.samples:
            for dtype in (rg.float32, rg.float64):
                if not any(o.real for o in sample.operands):
                    continue
                operands = [
                    o.laid_out(a, dtype if o.real else None)
                    for o, a in zip(sample.operands, sample.arrays())
                ]
                if sample.attributes.get("dtype") == "bfloat16":
                    continue
                y = op.call(*operands, **sample.attributes)
                y = [operands[i] for i in op.mutates] if y is None else y
                found[f"{op.name} {sample.text} {dtype}"] = digest(y if isinstance(y, (tuple, list)) else [y])

    rng = np.random.default_rng(0)
    for dtype in (rg.float32, rg.float64):
        a = rg.tensor(rng.standard_normal((301, 517))).to(dtype)
        b = rg.tensor(rng.standard_normal((517, 263))).to(dtype)
        big = rg.tensor(rng.standard_normal((1100, 1100))).to(dtype)
        rg.manual_seed(3)
        for name, result in {
            "matmul": a @ b,
            "matmul transposed": b.t() @ a.t(),
            "matmul thin": a[:1] @ b,
            "matmul tall k": big[:3] @ big,
            "matmul one row": big[:1] @ big,
            "matmul one column": big @ big[0],
            "matmul narrow": big @ big[:, :3],
            "matmul deep": big.reshape(12100, 100)[:, :40].t() @ big.reshape(12100, 100)[:, 40:],
            "matmul large": big @ big,
            "gelu": F.gelu(big * 4),
            "add": big + big[0],
            "exp": big.exp(),
            "tanh": big.tanh(),
            "sigmoid": big.sigmoid(),
            "log": big.abs().log(),
            "sum": big.sum(),
            "sum 0": big.sum(0),
            "sum 1": big.sum(1),
            "sum of a view": big.t()[3:].sum(1),
            "max": big.amax(0),
            "softmax": F.softmax(big, 1),
            "cross entropy": F.cross_entropy(big, rg.arange(1100)),
            "layer norm": F.layer_norm(big, (1100,), big[0], big[1]),
            "dropout": F.dropout(big, 0.3),
            "rand": rg.rand(100_003, dtype=dtype),
            "randn": rg.randn(100_003, dtype=dtype),
        }.items():
            found[f"large {name} {dtype}"] = digest([result])

    rg.manual_seed(1)
    net = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.2), nn.LayerNorm(256), nn.Linear(256, 128), nn.Tanh(),
        nn.Linear(128, 10)
    )
    x = rg.tensor(rng.standard_normal((512, 64)).astype(np.float32))
    y = rg.tensor(rng.integers(0, 10, 512))
    for name, optimizer in {
        "adam": optim.Adam(net.parameters(), lr=1e-3),
        "sgd": optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
    }.items():
        for _ in range(10):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
        found[f"training {name}"] = digest([loss, *net.parameters()])
    print(json.dumps({"level": rg.simd_level(), "worked": _core.pool_worker_tasks(), "digests": found}))
"""

LEVELS = list(rg.simd_levels())
FUSED = [level for level in LEVELS if level != "portable"]


@cache
def results(level: str, threads: int) -> Any:
    import pathlib

    env = {"RETROGRAD_SIMD": level, "RETROGRAD_NUM_THREADS": str(threads)}
    return json.loads(run(PROGRAM, str(pathlib.Path(__file__).parent), env=env))


def differences(a: Any, b: Any) -> list[str]:
    assert a["digests"].keys() == b["digests"].keys()
    return [name for name, digest in a["digests"].items() if b["digests"][name] != digest]


@pytest.mark.parametrize("level", LEVELS)
def test_a_forced_level_really_runs(level: str) -> None:
    assert results(level, 1)["level"] == level


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("level", LEVELS)
def test_the_number_of_threads_changes_no_bit(level: str, threads: int) -> None:
    one, many = results(level, 1), results(level, threads)
    assert one["worked"] == 0
    assert many["worked"] > 0, "the other threads did nothing: this test proves nothing"
    assert differences(one, many) == []


@pytest.mark.parametrize("level", FUSED[1:])
def test_the_simd_level_changes_no_bit(level: str) -> None:
    assert differences(results(FUSED[0], 1), results(level, 1)) == []


def test_a_level_that_is_not_there_is_an_error() -> None:
    code = """
        try:
            import retrograd as rg
            rg.ones(2) + 1
        except Exception as error:
            print(type(error).__name__, error)
    """
    for level in ("neon" if "neon" not in LEVELS else "avx512", "sse9"):
        out = run(code, env={"RETROGRAD_SIMD": level})
        assert level in out, "no error names the level"


def test_two_runs_give_the_same_bits() -> None:
    results.cache_clear()
    first = results(LEVELS[0], 2)
    results.cache_clear()
    assert differences(first, results(LEVELS[0], 2)) == []
