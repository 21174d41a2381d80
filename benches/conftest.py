"""Makes one pytest-benchmark test of every case of every installed peer.

All peers share one process here, on BENCH_THREADS threads (one by default). Take ratios from `python -m benches`.
"""

from __future__ import annotations

import os

import pytest

from benches import peers

_THREADS = int(os.environ.get("BENCH_THREADS", "1"))

# Read when a package is imported, so set before any is.
os.environ.update(peers.environment(_THREADS))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes a test that takes `peer` and `case` by its module's `cases` and `PEERS`."""
    if not {"peer", "case"} <= set(metafunc.fixturenames):
        return
    parameters = []
    for peer in filter(peers.installed, metafunc.module.PEERS):
        peers.start(peer, _THREADS)
        parameters += [pytest.param(peer, case, id=f"{case.name}-{peer}") for case in metafunc.module.cases(peer)]
    metafunc.parametrize(("peer", "case"), parameters)
