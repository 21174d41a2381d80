"""Who is compared: which frameworks are installed, and how each is told its number of threads."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from typing import Any

__all__ = ["OURS", "PEERS", "confine", "environment", "installed", "package", "start", "version"]

OURS = "retrograd"

# A peer is a way of working with a package: eager and compiled are two peers.
PEERS = {
    OURS: "retrograd",
    "retrograd.compile": "retrograd",
    "numpy": "numpy",
    "torch": "torch",
    "torch.compile": "torch",
    "jax": "jax",
}


def installed(peer: str) -> bool:
    """Whether the peer's package can be imported; JAX counts with its optimizers only."""
    needed = ("jax", "optax") if peer == "jax" else (PEERS[peer],)
    return all(importlib.util.find_spec(name) is not None for name in needed)


def version(peer: str) -> str:
    """The version of the peer's package."""
    return importlib.metadata.version(PEERS[peer])


def environment(threads: int) -> dict[str, str]:
    """Variables, to be set before anything is imported, that give every framework so many threads."""
    names = ("RETROGRAD", "OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")
    variables = {f"{name}_NUM_THREADS": str(threads) for name in names}
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    variables["JAX_PLATFORMS"] = "cpu"
    return variables


def package(peer: str) -> Any:
    """The peer's package."""
    return importlib.import_module(PEERS[peer])


def start(peer: str, threads: int) -> None:
    """Imports the peer's package with so many threads, in a process whose `environment` is set."""
    module = package(peer)
    if PEERS[peer] in ("retrograd", "torch"):
        module.set_num_threads(threads)


def confine(threads: int) -> None:
    """Leaves this process so many processors: XLA sizes its pool by nothing else."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
