"""What is timed: a statement, and the values it works on."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

__all__ = ["Case", "Clock", "Loop"]

Clock = Callable[[], float]
Loop = Callable[[int, Clock], float]

_LOOP = """
def timed(count, clock):
    began = clock()
    for _ in repeat(None, count):
        {statement}
    {finish}
    return clock() - began
"""
_ONCE = """
def timed():
    {statement}
    {finish}
"""


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
        """A function of a count and a clock: the seconds that so many repetitions take."""
        loop: Loop = self._make(_LOOP, " " * 8)
        return loop

    def function(self) -> Callable[[], None]:
        """A function that runs the statement once, to be timed by others."""
        function: Callable[[], None] = self._make(_ONCE, " " * 4)
        return function

    def _make(self, template: str, indentation: str) -> Any:
        scope = self.scope()
        statement = textwrap.indent(self.statement, indentation).lstrip()
        source = template.format(statement=statement, finish=self.finish)
        # The values are locals of a function around it, as they would be in a user's program.
        source = f"def make({', '.join(scope)}):{textwrap.indent(source, '    ')}    return timed"
        names: dict[str, Any] = {"repeat": repeat}
        exec(source, names)
        return names["make"](**scope)
