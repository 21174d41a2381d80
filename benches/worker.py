"""A process that holds one peer's cases and times them when told: `python -m benches.worker MODULE PEER THREADS`.

It answers each line of JSON on its input with one on its output: `{"names": ...}` at the start, then
`{"seconds": s, "count": n, "faults": f}` for `{"name": ..., "seconds": s}`.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from statistics import median

from benches import peers
from benches.case import Case, Clock, Loop

__all__ = ["Timer"]

# Parts of a turn that are timed one by one.
_PARTS = 7


@dataclass
class Timer:
    """Times a case again and again."""

    loop: Loop
    clock: Clock
    each: float = 0.0

    def warm_up(self, seconds: float) -> None:
        """Repeats until nothing is new any more, and learns how long a repetition takes."""
        self.loop(3, self.clock)
        count, spent = 1, 0.0
        while spent < seconds:
            took = max(self.loop(count, self.clock), 1e-9)
            spent += took
            self.each = took / count
            count *= 2

    def time(self, seconds: float) -> dict[str, float]:
        """Repeats for about so many seconds, or a few times: the median seconds and minor page faults of a repetition.

        The median is of parts of the turn: the first begins with what others left in the caches.
        """
        count = max(1, round(seconds / self.each / _PARTS))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        self.each = median(self.loop(count, self.clock) / count for _ in range(_PARTS))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        total = count * _PARTS
        return {"seconds": self.each, "count": total, "faults": faults / total}


def main(module: str, peer: str, threads: int) -> None:
    """Serves one peer."""
    # Answers go where nothing that a framework prints can get.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: object) -> None:
        print(json.dumps(value), file=answers, flush=True)

    if peer == "jax":
        peers.confine(threads)
    peers.start(peer, threads)
    # On one thread, what others do on the machine does not count.
    clock = time.process_time if threads == 1 else time.perf_counter
    cases: dict[str, Case] = {case.name: case for case in importlib.import_module(module).cases(peer)}
    answer({"names": list(cases)})
    timers: dict[str, Timer] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name, seconds = request["name"], request["seconds"]
        if name not in timers:
            timers[name] = Timer(cases[name].loop(), clock)
            timers[name].warm_up(seconds)
        answer(timers[name].time(seconds))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
