"""Seeding, and the state of the random numbers."""

from __future__ import annotations

from retrograd import _core
from retrograd._core import get_rng_state, set_rng_state

__all__ = ["get_rng_state", "manual_seed", "set_rng_state"]


def manual_seed(seed: int) -> None:
    """Starts the random numbers anew: the same seed gives the same numbers everywhere.

    Any integer that fits into 64 bits, signed or not, as in torch; -1 and 2**64 - 1 are the same seed.

    Raises:
        ValueError: when it does not fit.
        TypeError: when it is not an integer.
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"manual_seed: the seed must be an integer, not {type(seed).__name__}")
    seed = seed.__index__()
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"manual_seed: the seed must fit into 64 bits, got {seed}")
    _core.manual_seed(seed - 2**64 if seed >= 2**63 else seed)
