"""Prints the report: `python -m benches [section ...] [--only TEXT] [--threads 1 2] [--quick] [--torch-compile]`."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack

from benches.interleave import Plan
from benches.machine import Machine
from benches.report import SECTIONS, Settings


def main() -> None:
    """Runs the wanted sections."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser("python -m benches", description="Speed, as ratios measured in one run.")
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains the text")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, min(2, processors)}), metavar="N")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--torch-compile", action="store_true", help="time torch.compile too, which is slow to start")
    args = parser.parse_args()
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}: choose of {', '.join(SECTIONS)}")
    plan = Plan(rounds=3, seconds=0.02) if args.quick else Plan()
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(Machine())
        except FileNotFoundError as error:
            print(error)
            machine = None
        settings = Settings(
            machine, tuple(args.threads), plan, lambda name: args.only in name, torch_compile=args.torch_compile
        )
        for name in args.sections or SECTIONS:
            SECTIONS[name](settings)


if __name__ == "__main__":
    main()
