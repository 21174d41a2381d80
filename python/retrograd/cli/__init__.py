"""The command line: `python -m retrograd demo`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="retrograd", description="Train neural networks on CPUs.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="train a network that reads handwritten digits",
        description="Trains a small network on four fifths of 1,797 handwritten digits, tests it on the rest.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--epochs", type=_positive, default=30, help="passes over the training data")
    demo.add_argument("--seed", type=int, default=0, help="for the split, the initial weights and dropout")
    demo.add_argument("--batch-size", type=_positive, default=64, help="images a step")
    demo.add_argument("--lr", type=float, default=2e-3, help="learning rate of AdamW")
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("retrograd-demo.png"),
        help="where the image of the loss curve goes",
    )
    demo.add_argument("--compile", action="store_true", help="record one step and replay it")
    args = parser.parse_args(argv)

    from retrograd.cli import demo as program

    options = program.Options(
        epochs=args.epochs,
        seed=args.seed,
        batch_size=args.batch_size,
        lr=args.lr,
        output=args.output,
        compile=args.compile,
    )
    try:
        return program.run(options)
    except KeyboardInterrupt:
        print("\nstopped")
        return 130


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value
