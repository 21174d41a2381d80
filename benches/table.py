"""Tables of text."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

__all__ = ["Table", "geometric_mean", "number", "time"]


class Table:
    """Prints rows as they come, under a header: the first column to the left, the others to the right."""

    def __init__(self, *columns: str, first: int = 28, width: int = 11) -> None:
        self._first, self._widths = first, [max(width, len(name) + 2) for name in columns[1:]]
        self.row(*columns)

    def row(self, *cells: str) -> None:
        """Prints a row; columns that are missing stay empty."""
        rest = "".join(f"{cell:>{width}}" for cell, width in zip(cells[1:], self._widths, strict=False))
        print(f"{cells[0]:{self._first}}{rest}".rstrip(), flush=True)


def number(value: float | None) -> str:
    """Three digits, or nothing."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2f}"


def time(seconds: float | None) -> str:
    """A time in the unit that suits it, or nothing."""
    if seconds is None:
        return ""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds / 1e-9)} ns"


def geometric_mean(values: Sequence[float]) -> float:
    """The n-th root of the product."""
    return exp(sum(map(log, values)) / len(values))
