"""Instruction counts of small operations: they repeat where times do not, so a regression shows in CI.

`python -m benches.instructions` (`make instructions`) counts under valgrind's callgrind and compares with
`instructions.json`: a case that takes over 5% more fails. `--update` writes the counts instead.

A count is of one repetition: the difference of two runs of different lengths, so what comes before does not matter.
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benches import bench_overheads, bench_workloads, peers
from benches.case import Case

__all__ = ["count", "main"]

MARGIN = 1.05
SHORT, LONG = 100, 10_100
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


def _total(name: str, repetitions: int) -> int:
    """Instructions of a process that repeats a case."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    command += ["-m", "benches.instructions", "--run", name, str(repetitions)]
    environment = os.environ | peers.environment(1) | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"{name}: valgrind ended with status {done.returncode}\n{done.stderr}")
    return int(found[1])


def count(name: str) -> float:
    """Instructions of one repetition of a case."""
    return (_total(name, LONG) - _total(name, SHORT)) / (LONG - SHORT)


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
    parser.add_argument("--run", nargs=2, metavar=("CASE", "N"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        name, repetitions = args.run
        CASES[name]().loop()(int(repetitions), lambda: 0.0)
        return 0
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        return 0

    names = [name for name in CASES if args.only in name]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        counts = dict(zip(names, pool.map(count, names), strict=True))
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
