"""Times the same cases for several peers in turns, each peer in its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Any, Self

from benches import peers

__all__ = ["Comparison", "Plan", "Worker", "compare"]


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure: rounds of turns, and about how many seconds a turn takes."""

    rounds: int = 7
    seconds: float = 0.05


@dataclass
class Comparison:
    """The times of one case, by peer, one for each round."""

    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    beside: list[float] = field(default_factory=list)

    def seconds(self, peer: str) -> float:
        """The median time of a repetition."""
        return median(self.times[peer])

    def ratio(self, peer: str, to: str = peers.OURS) -> float:
        """How many times longer `peer` takes than `to`: the median of the rounds' ratios."""
        return median(a / b for a, b in zip(self.times[peer], self.times[to], strict=True))

    def against_beside(self, peer: str, amount: float) -> float:
        """`amount` in a peer's time, as a fraction of what was measured beside it; the best round's."""
        return amount / min(self.times[peer]) / max(self.beside)

    def fraction(self, peer: str, amount: float) -> float:
        """The same, but the median of the rounds' fractions: for limits that drift as much as what they limit."""
        return median(amount / time / beside for time, beside in zip(self.times[peer], self.beside, strict=True))


class Worker:
    """A peer's process; it stands still unless it is asked."""

    def __init__(self, module: str, peer: str, threads: int) -> None:
        self.peer = peer
        command = [sys.executable, "-m", "benches.worker", module, peer, str(threads)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | peers.environment(threads),
        )
        self.names: list[str] = self._answer()["names"]
        self._process.send_signal(signal.SIGSTOP)

    def time(self, name: str, seconds: float) -> dict[str, float]:
        """Times a case for about so many seconds."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        print(json.dumps({"name": name, "seconds": seconds}), file=self._process.stdin, flush=True)
        answer: dict[str, float] = self._answer()
        # Idle threads that wait busily would take the others' processor.
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.peer} ended with status {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


def compare(
    module: str,
    among: Sequence[str],
    threads: int,
    plan: Plan,
    *,
    only: Callable[[str], bool] = lambda name: True,  # noqa: ARG005
    beside: Callable[[str], float] | None = None,
) -> list[Comparison]:
    """Times each case of a module for every installed peer that has it.

    All cases have their turns before the next round begins: what disturbs the machine for a second or two meets one
    round of many cases and not every round of one.

    Args:
        module: a module with a function `cases(peer)`.
        among: the peers.
        threads: how many threads each gets.
        plan: how thoroughly to measure.
        only: whether a case of that name is wanted.
        beside: something else to be measured in every round of the case it is told, such as the machine's peak.

    Returns:
        one comparison for each case.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(module, peer, threads)) for peer in among if peers.installed(peer)]
        # Every name once, in order of the first to have it.
        names = dict.fromkeys(name for worker in workers for name in worker.names if only(name))
        results = [Comparison(name) for name in names]
        for count in range(1, plan.rounds + 1):
            for result in results:
                if beside is not None:
                    result.beside.append(beside(result.name))
                # Whoever comes first finds the caches as another case left them: each does so in turn.
                first = count % len(workers)
                for worker in workers[first:] + workers[:first]:
                    if result.name in worker.names:
                        answer = worker.time(result.name, plan.seconds)
                        result.times.setdefault(worker.peer, []).append(answer["seconds"])
                        result.faults[worker.peer] = answer["faults"]
            if sys.stderr.isatty():
                print(f"\rround {count} of {plan.rounds}", end="\r" if count == plan.rounds else "", file=sys.stderr)
        return results
