"""Random draws from Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.registry import Array, backward, forward

_MASK = np.uint64(0xFFFFFFFF)
COUNTERS = 16  # in a block


def philox(seed: int, counters: Array) -> list[Array]:
    """The four 32-bit words of each 64-bit counter."""
    seed %= 2**64
    counters = counters.astype(np.uint64)
    w = [counters & _MASK, counters >> np.uint64(32), np.zeros_like(counters), np.zeros_like(counters)]
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a = w[0] * np.uint64(0xD2511F53)
        b = w[2] * np.uint64(0xCD9E8D57)
        w = [
            (b >> np.uint64(32)) ^ w[1] ^ np.uint64(keys[0]),
            b & _MASK,
            (a >> np.uint64(32)) ^ w[3] ^ np.uint64(keys[1]),
            a & _MASK,
        ]
        keys = [(keys[0] + 0x9E3779B9) % 2**32, (keys[1] + 0xBB67AE85) % 2**32]
    return w


def words(key: Array, n: int) -> Array:
    """At least `n` words: blocks of 16 counters, in each the first words of all, then the second words, and so on."""
    seed, start = (int(k) for k in key)
    blocks = -(-n // (4 * COUNTERS))
    counters = np.arange(blocks * COUNTERS, dtype=np.uint64) + np.uint64(start % 2**64)
    return np.stack(philox(seed, counters)).reshape(4, blocks, COUNTERS).transpose(1, 0, 2).reshape(-1)


def units(key: Array, n: int, dtype: Any) -> Array:
    """`n` numbers from [0, 1): 24 bits of one word, or for float64 53 bits of two."""
    if dtype != np.float64:
        return np.asarray((words(key, n) >> np.uint64(8)) / 2**24)[:n]
    pairs = words(key, 2 * n).reshape(-1, 2, COUNTERS)
    bits = (pairs[:, 0] >> np.uint64(5)) << np.uint64(26) | pairs[:, 1] >> np.uint64(6)
    return np.asarray(bits / 2**53).reshape(-1)[:n]


@forward("draw")
def draw(state: Array, *, n: int) -> Array:
    """The key is the state before; then the counter moves past what `n` numbers may need."""
    return state.copy()


def _kept(x: Array, key: Array, p: float) -> Array:
    """Dropped elements become 0, even if they were NaN. The coins have 24 bits whatever the dtype."""
    coins = words(key, x.size)[: x.size] >> np.uint64(8)
    keep = (coins >= np.ceil(p * 2**24)).reshape(x.shape)
    return np.where(keep, x / (1 - p) if p < 1 else 0.0, 0.0)


@forward("dropout")
def dropout(x: Array, key: Array, *, p: float) -> Array:
    return _kept(x, key, p)


@backward("dropout")
def dropout_backward(g: Array, x: Array, key: Array, *, p: float) -> tuple[Array, None]:
    return _kept(g, key, p), None


@forward("uniform")
def uniform(x: Array, key: Array, *, low: float, high: float) -> Array:
    return low + (high - low) * units(key, x.size, x.dtype).reshape(x.shape)


@backward("uniform")
def uniform_backward(g: Array, x: Array, key: Array, *, low: float, high: float) -> tuple[None, None]:
    return None, None


@forward("normal")
def normal(x: Array, key: Array, *, mean: float, std: float) -> Array:
    """Box and Muller, "A note on the generation of random normal deviates", 1958; pairs lie 16 apart."""
    n = -(-x.size // (2 * COUNTERS)) * 2 * COUNTERS
    pairs = units(key, n, x.dtype).reshape(-1, 2, COUNTERS)
    radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.asarray(mean + std * z.reshape(-1)[: x.size].reshape(x.shape))


@backward("normal")
def normal_backward(g: Array, x: Array, key: Array, *, mean: float, std: float) -> tuple[None, None]:
    return None, None
