"""What is timed: a statement, and the values it works on."""

from __future__ import annotations

import gc
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Case", "Loop"]

Clock = Callable[[], float]
Loop = Callable[[int, Clock], float]


@dataclass(frozen=True)
class Case:
    """A statement to be timed.

    Attributes:
        name: the same for every framework.
        statement: what is repeated. A statement and not a function: a call costs as much as a small operation.
        scope: makes the values that the statement names.
        finish: a statement that waits for work begun but not finished, for frameworks that return early.
    """

    name: str
    statement: str
    scope: Callable[[], dict[str, Any]]
    finish: str = "pass"

    def loop(self) -> Loop:
        """A function of a count and a clock: the seconds that so many repetitions take, with what they leave behind."""
        source = f"""
def loop(count, clock):
    began = clock()
    for _ in repeat(None, count):
{textwrap.indent(self.statement, " " * 8)}
    {self.finish}
    return clock() - began
"""
        scope = self.scope()
        names = ", ".join(scope)
        # Locals are what a user's function would have; so is a running garbage collector.
        exec(f"def make({names}):\n{textwrap.indent(source, '    ')}\n    return loop", made := _globals())
        gc.collect()
        loop: Loop = made["make"](**scope)
        return loop

    def function(self) -> Callable[[], object]:
        """A function that runs the statement once, to be timed by others."""
        loop = self.loop()
        return lambda: loop(1, _no_clock)


def _no_clock() -> float:
    return 0.0


def _globals() -> dict[str, Any]:
    from itertools import repeat

    return {"repeat": repeat}
