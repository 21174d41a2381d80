"""What parallel regions cost beyond their work (`rust/kernels/examples/pool.rs`), and what idle workers burn."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from benches import peers
from benches.machine import program

__all__ = ["burnt_while_idle", "times"]

_IDLE = """
import sys, time
t = __import__(sys.argv[1])
t.set_num_threads(int(sys.argv[2]))
a = t.ones(1 << 22)
for _ in range(5):
    a + a
    before = time.process_time()
    time.sleep(0.2)
    print(time.process_time() - before)
"""


def times(threads: int) -> dict[str, float]:
    """Seconds that each kind of region takes, by name.

    Raises:
        FileNotFoundError: where the program was not built; the message says how.
    """
    done = subprocess.run([program("pool"), str(threads)], stdout=subprocess.PIPE, text=True, check=True)
    return {name: float(time) * 1e-9 for name, time in map(str.split, done.stdout.splitlines())}


def burnt_while_idle(peer: str, threads: int) -> float:
    """Seconds of processor time that pass while the process sleeps for 0.2 s right after a parallel region."""
    command = [sys.executable, "-c", _IDLE, peers.PEERS[peer], str(threads)]
    environment = os.environ | peers.environment(threads)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return median(map(float, done.stdout.split()))
