"""What training takes of memory, in fresh processes: `python -m benches.memory PEER MODEL STEPS` is one of them.

Where the system does not tell what is resident (`/proc`), there is nothing to measure.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benches import bench_workloads, peers

__all__ = ["VARIED", "Memory", "measure"]

# `tiny` on a number of rows that is drawn anew for each step.
VARIED = "tiny, 1 to 64 rows"

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Memory:
    """What training steps took.

    Attributes:
        peak: the most bytes that were resident, over what was after the import.
        faults: minor page faults of a step, once warm.
        growth: by how many bytes the process grew once warm.
    """

    peak: int
    faults: float
    growth: int


def measure(peer: str, model: str, steps: int, threads: int = 1) -> Memory | None:
    """Takes training steps, the first tenth to get warm, in a new process; None where the system does not tell."""
    if not _STATUS.exists():
        return None
    command = [sys.executable, "-m", "benches.memory", peer, model, str(steps)]
    environment = os.environ | peers.environment(threads)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Memory(**json.loads(done.stdout.splitlines()[-1]))


def _resident(what: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) << 10


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _step(peer: str, model: str) -> Callable[[], object]:
    name = "tiny" if model == VARIED else model
    case = next(case for case in bench_workloads.cases(peer) if case.name == name)
    if model != VARIED:
        return case.function()
    step, (x, y) = case.scope()["step"], (peers.package(peer).randn(64, n) for n in (4, 2))
    draw = random.Random(0)

    def varied() -> None:
        rows = draw.randint(1, 64)
        step(x[:rows], y[:rows])

    return varied


def _main(peer: str, model: str, steps: int) -> None:
    peers.start(peer, int(os.environ["OMP_NUM_THREADS"]))
    imported = _resident("VmRSS")
    step = _step(peer, model)
    warm = steps // 10
    for _ in range(warm):
        step()
    gc.collect()
    before, faults = _resident("VmRSS"), _faults()
    for _ in range(steps - warm):
        step()
    faults = _faults() - faults
    gc.collect()
    growth = _resident("VmRSS") - before
    print(json.dumps({"peak": _resident("VmHWM") - imported, "faults": faults / (steps - warm), "growth": growth}))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
