"""This machine's limits, measured by `rust/kernels/examples/peak.rs`, which runs beside the benchmarks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Machine", "program"]

_ROOT = Path(__file__).parent.parent


def program(name: str) -> Path:
    """Where one of the kernels' examples is.

    Raises:
        FileNotFoundError: where it was not built; the message says how.
    """
    path = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target")) / "release" / "examples" / name
    if not path.exists():
        raise FileNotFoundError(f"no {path}: say make peak")
    return path


class Machine:
    """Asks for limits: `machine.limit("f32", threads=1)` in GFLOP/s or GB/s.

    Raises:
        FileNotFoundError: where the program was not built; the message says how.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen([program("peak")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def limit(self, what: str, threads: int) -> float:
        """Measures `f32` or `f64` multiply-adds on registers, or memory's `triad` or `read`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(what, threads, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
