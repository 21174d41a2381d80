"""Runs programs of their own: for environments, signals, forks and stacks that must not touch the test process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

# Long enough for the slowest emulated machine; a program that hangs must not hang the suite.
TIMEOUT = 300


def run(code: str, *args: str, env: dict[str, str] | None = None, stack_kib: int | None = None) -> str:
    """Runs `code` and gives what it printed; its failure is the test's, with what it said."""
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code), *args]
    if stack_kib is not None:
        command = ["sh", "-c", f'ulimit -s {stack_kib}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command, env=os.environ | (env or {}), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
