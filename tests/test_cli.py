"""The demo, as a user runs it."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.programs import TIMEOUT
from retrograd.cli import main
from retrograd.cli.font import bitmap
from retrograd.cli.plot import Line, line_plot
from retrograd.cli.terminal import ProgressBar, confusion_matrix


def demo(tmp_path: Path, *options: str) -> str:
    command = [sys.executable, "-m", "retrograd", "demo", "--output", str(tmp_path / "loss.png"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(out: str) -> float:
    match = re.search(r"Test accuracy ([\d.]+)%", out)
    assert match, out
    return float(match[1])


def png(path: Path) -> tuple[int, int]:
    """The size of a PNG; checks every checksum and the amount of pixels."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, size, pixels = 8, (0, 0), b""
    while at < len(data):
        (n,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + n]
        assert struct.unpack(">I", data[at + 8 + n : at + 12 + n])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
            size = (width, height)
        elif kind == b"IDAT":
            pixels += body
        at += 12 + n
    assert len(zlib.decompress(pixels)) == size[1] * (3 * size[0] + 1)
    return size


@pytest.mark.parametrize("options", [(), ("--seed", "5"), ("--compile",)], ids=str)
def test_the_demo_reads_digits(tmp_path: Path, options: tuple[str, ...]) -> None:
    out = demo(tmp_path, *options)
    assert accuracy(out) >= 96.5
    assert png(tmp_path / "loss.png") == (720, 440)
    assert "\x1b" not in out
    assert "\r" not in out
    assert "read as" in out


def test_the_same_seed_gives_the_same_run_compiled_or_not(tmp_path: Path) -> None:
    def shown(*options: str) -> list[str]:
        return [line for line in demo(tmp_path, "--epochs", "3", *options).splitlines() if "µs" not in line]

    first = shown()
    assert shown() == first
    assert shown("--compile") == first
    assert shown("--seed", "1") != first


@pytest.mark.parametrize("options", [["--epochs", "0"], ["--epochs", "x"], ["--nonsense"], ["--batch-size", "-3"]])
def test_bad_options(options: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as info:
        main(["demo", *options])
    assert info.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_no_command_and_help(capsys: Any) -> None:
    for arguments in ([], ["--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)
    assert "demo" in capsys.readouterr().out


def test_a_picture_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    command = [sys.executable, "-m", "retrograd", "demo", "--epochs", "1", "--output", str(blocker / "x.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    assert "No picture" in done.stderr
    assert "Test accuracy" in done.stdout


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_the_bar_is_redrawn_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    bar = ProgressBar(3, stream)
    for i in range(1, 4):
        bar.update(i, f"step {i}")
    frames = stream.getvalue().split("\r")
    assert len(frames) == 4
    assert all(len(f.rstrip("\n").replace("\x1b[K", "")) < 60 for f in frames)
    assert frames[-1].endswith("\n")
    assert frames[3].count("█") > frames[1].count("█") > 0


def test_the_bar_in_a_narrow_or_plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "12")
    stream = Terminal()
    ProgressBar(2, stream).update(1, "a text longer than the line")
    assert len(stream.getvalue().replace("\x1b[K", "").strip("\r")) < 12
    stream = Terminal()
    stream.encoding = "ascii"
    ProgressBar(2, stream).update(1, "x")
    stream.getvalue().encode("ascii")


def test_the_bar_without_a_terminal() -> None:
    stream = io.StringIO()
    bar = ProgressBar(100, stream, lines=4)
    for i in range(1, 101):
        bar.update(i, f"step {i}")
    assert stream.getvalue().splitlines() == ["step 25", "step 50", "step 75", "step 100"]


def test_the_confusion_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.array([[3, 1], [0, 4]])
    text = confusion_matrix(counts, io.StringIO())
    assert text.splitlines()[2].split() == ["0", "3", "1", "75.0%"]
    assert text.splitlines()[3].split() == ["1", ".", "4", "100.0%"]
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[32;1m" in confusion_matrix(counts, Terminal())
    confusion_matrix(np.zeros((2, 2), np.int64), io.StringIO())


def test_plots_of_awkward_data(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "plot.png"
    nan = float("nan")
    for x, y in (
        ([1.0], [1.0]),
        ([1, 2, 3], [nan, 5, float("inf")]),
        ([0, 1], [-1e9, 1e9]),
        ([0, 1], [1e-9, 2e-9]),
    ):
        line_plot(path, "Title: ÄÖ?", "x", [Line("a", (1, 2, 3), x, y), Line("empty", (1, 2, 3), [], [])])
        png(path)
    with pytest.raises(ValueError, match="finite"):
        line_plot(path, "t", "x", [Line("a", (0, 0, 0), [1], [nan])])


def test_the_font() -> None:
    assert bitmap("abc").shape == (9, 18)
    assert bitmap("").shape == (9, 0)
    assert bitmap("?").any()
    assert (bitmap("A") == bitmap("a")).all()
