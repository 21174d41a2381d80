"""Instruction counts of small operations: they repeat where times do not, so a regression shows in CI.

`python -m benches.instructions` (`make instructions`) counts under valgrind's callgrind and compares with
`instructions.json`: a case that takes over 5% more fails. `--update` writes the counts instead.

All cases run in one process. Callgrind writes down what was counted so far whenever a certain function of the C library
is called, which the process does before and after the repetitions of each case.
Counts depend on the Python, the C library and the instruction set (valgrind has no AVX-512), so each such combination
has its own entry, and where there is none, there is nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benches import bench_overheads, bench_workloads, peers
from benches.case import Case

__all__ = ["count", "main"]

MARGIN = 1.05
WARM_UP, REPETITIONS = 50, 1000
# A function that nothing else calls: Python's os.getppid() is one call of it.
MARK = "getppid"
STORED = Path(__file__).with_name("instructions.json")


def _cases() -> Iterator[tuple[str, Callable[[], Case]]]:
    def named(cases: Callable[[str], list[Case]], peer: str, name: str) -> Callable[[], Case]:
        return lambda: next(case for case in cases(peer) if case.name == name)

    for name in bench_overheads.NAMES:
        yield name, named(bench_overheads.cases, peers.OURS, name)
    yield "tiny, eager", named(bench_workloads.cases, peers.OURS, "tiny")
    yield "tiny, replayed", named(bench_workloads.cases, "retrograd.compile", "tiny")


CASES = dict(_cases())


def platform_key() -> str:
    """What counts depend on besides our own code."""
    package = peers.package(peers.OURS)
    libc = "-".join(platform.libc_ver()).strip("-") or platform.system().lower()
    python = f"{platform.python_implementation().lower()}-{platform.python_version()}"
    # Whatever this machine has, valgrind shows programs no more than AVX2.
    level = "avx2" if package.simd_level() == "avx512" else package.simd_level()
    return f"{python} {libc} {platform.machine()} {level}"


def _run(names: list[str]) -> None:
    """What valgrind runs: each case between two marks."""
    for name in names:
        loop = CASES[name]().loop()
        loop(WARM_UP, lambda: 0.0)
        os.getppid()
        loop(REPETITIONS, lambda: 0.0)
        os.getppid()


def count(names: list[str]) -> dict[str, float]:
    """Instructions of one repetition of each case."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={MARK}"]
        command += [sys.executable, "-m", "benches.instructions", "--run", *names]
        environment = os.environ | peers.environment(1) | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"valgrind ended with status {done.returncode}\n{done.stderr}")
        # Dumps are numbered from 1: the odd ones hold what came before a case, the even ones a case.
        return {name: _total(out.with_name(f"out.{2 * i + 2}")) / REPETITIONS for i, name in enumerate(names)}


def _total(dump: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
    assert found is not None, f"no total in {dump}"
    return int(found[1])


def _compare(counts: dict[str, float], stored: dict[str, float]) -> list[str]:
    """Prints each count beside the stored one, and gives the names of those that are too high."""
    worse = []
    for name, now in counts.items():
        before = stored.get(name)
        change = f"{now / before - 1:+8.1%} of {before:.0f}" if before else "     new"
        print(f"{name:32}{now:10.0f}{change}")
        if before and now > before * MARGIN:
            worse.append(name)
    return worse


def main() -> int:
    """Counts and compares, or writes; the exit status."""
    parser = argparse.ArgumentParser("python -m benches.instructions")
    parser.add_argument("--update", action="store_true", help="store the counts of this platform")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains the text")
    parser.add_argument("--run", nargs="+", metavar="CASE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        _run(args.run)
        return 0
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        return 0

    counts = count([name for name in CASES if args.only in name])
    stored: dict[str, dict[str, float]] = json.loads(STORED.read_text()) if STORED.exists() else {}
    key = platform_key()
    print(f"instructions a repetition, {key}")
    worse = _compare(counts, stored.get(key, {}))
    if args.update:
        stored[key] = stored.get(key, {}) | {name: round(value) for name, value in counts.items()}
        STORED.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")
        return 0
    if key not in stored:
        print("nothing is stored for this platform; see --update")
    if worse:
        print(f"more than {MARGIN - 1:.0%} above what is stored: {', '.join(worse)}")
        print("make it cheaper, or accept it by `make instructions-update`")
    return bool(worse)


if __name__ == "__main__":
    sys.exit(main())
