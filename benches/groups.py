"""The cases of all installed peers as parameters of one pytest-benchmark test."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benches import peers
from benches.case import Case

__all__ = ["THREADS", "grouped"]

# pytest runs all peers in one process, so the number is fixed before the first of them is imported.
THREADS = int(os.environ.get("BENCH_THREADS", "1"))


start = functools.cache(peers.start)


def grouped(cases: Callable[[str], list[Case]], among: Sequence[str]) -> list[Any]:
    """A parameter set `(peer, case)` for each case of each installed peer."""
    parameters = []
    for peer in among:
        if peers.installed(peer):
            start(peer, THREADS)
            parameters += [pytest.param(peer, case, id=f"{case.name}-{peer}") for case in cases(peer)]
    return parameters
