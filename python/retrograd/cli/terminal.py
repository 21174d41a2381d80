"""What the demo shows in a terminal: a progress bar and a confusion matrix. Plain text where there is no terminal."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ProgressBar", "confusion_matrix"]

_EIGHTHS = " ▏▎▍▌▋▊▉"


def _can_show(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


class ProgressBar:
    """A bar that is redrawn in place; where the output is no terminal, a line now and then."""

    def __init__(self, total: int, stream: TextIO | None = None, lines: int = 6) -> None:
        self._total = total
        self._stream = sys.stdout if stream is None else stream
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._fancy = _can_show(_EIGHTHS, self._stream)
        self._every = max(1, total // lines)

    def update(self, done: int, text: str) -> None:
        """Shows that `done` of the total is done, and `text` beside it."""
        if self._live:
            # A terminal narrower than the text gets less of it: a line that wraps cannot be redrawn.
            width = shutil.get_terminal_size().columns - 1
            line = f"{self._bar(done, max(10, min(40, width - len(text) - 2)))}  {text}"
            self._stream.write("\r" + line[:width] + "\x1b[K")
            if done == self._total:
                self._stream.write("\n")
        elif done == self._total or done % self._every == 0:
            self._stream.write(text + "\n")
        self._stream.flush()

    def _bar(self, done: int, width: int) -> str:
        eighths = done * width * 8 // self._total
        full, part = divmod(eighths, 8)
        if not self._fancy:
            return "[" + ("#" * full).ljust(width - 2)[: width - 2] + "]"
        return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def confusion_matrix(counts: NDArray[np.int64], stream: TextIO | None = None) -> str:
    """The table of how often each digit (row) was read as each (column); colours where the terminal has them."""
    stream = sys.stdout if stream is None else stream
    colour = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    classes = len(counts)
    width = max(3, len(str(counts.max(initial=0))) + 1)
    lines = [
        "       read as".ljust(7),
        " true  " + "".join(str(c).rjust(width) for c in range(classes)) + "   right",
    ]
    for true, row in enumerate(counts):
        cells = "".join(_cell(int(n), read == true, width, colour) for read, n in enumerate(row))
        total = int(row.sum())
        share = f"{100 * int(row[true]) / total:6.1f}%" if total else "      -"
        lines.append(f"{true:5}  {cells} {share}")
    return "\n".join(lines)


def _cell(count: int, right: bool, width: int, colour: bool) -> str:
    text = (str(count) if count else ".").rjust(width)
    if not colour:
        return text
    # Green on the diagonal, red where it is wrong, grey where there is nothing.
    return f"\x1b[{'32;1' if right else '31;1' if count else '90'}m{text}\x1b[0m"
