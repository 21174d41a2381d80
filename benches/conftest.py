"""Gives every framework its number of threads (BENCH_THREADS, or one) before any is imported."""

from __future__ import annotations

import os

from benches import peers
from benches.groups import THREADS

os.environ.update(peers.environment(THREADS))
