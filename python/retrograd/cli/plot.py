"""A line plot as a PNG file, from NumPy and the standard library alone.

The picture is drawn at twice its size and averaged down, which smooths its edges; letters come from a bitmap font.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrograd.cli.font import GLYPH_HEIGHT, GLYPH_WIDTH, bitmap

__all__ = ["Line", "line_plot"]

_SCALE = 2  # Drawn this much larger than shown.
_INK = (45, 45, 45)
_GRID = (225, 225, 225)
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 44, 48
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Line:
    """One curve: its name in the legend, colour, and points."""

    name: str
    colour: Colour
    x: Sequence[float]
    y: Sequence[float]


class _Canvas:
    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._pixels: NDArray[np.uint8] = np.full((height * _SCALE, width * _SCALE, 3), 255, np.uint8)

    def rectangle(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        x0, y0 = round(x * _SCALE), round(y * _SCALE)
        x1, y1 = round((x + width) * _SCALE), round((y + height) * _SCALE)
        self._pixels[max(y0, 0) : max(y1, y0 + 1), max(x0, 0) : max(x1, x0 + 1)] = colour

    def polyline(self, points: NDArray[np.float64], colour: Colour, width: float = 2.0) -> None:
        """Stamps a disc along the line, closely enough that no gap shows."""
        points = points * _SCALE
        lengths = np.hypot(*np.diff(points, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(lengths)])
        stops = np.linspace(0.0, along[-1], max(2, math.ceil(along[-1] * 2)))
        x, y = (np.interp(stops, along, points[:, axis]) for axis in (0, 1))
        radius = width * _SCALE / 2
        reach = np.arange(-math.ceil(radius), math.ceil(radius) + 1)
        for dx in reach:
            for dy in reach[reach**2 + dx**2 <= radius**2]:
                rows = np.clip(np.rint(y + dy).astype(np.intp), 0, self._pixels.shape[0] - 1)
                columns = np.clip(np.rint(x + dx).astype(np.intp), 0, self._pixels.shape[1] - 1)
                self._pixels[rows, columns] = colour

    def text(self, x: float, y: float, text: str, colour: Colour = _INK, anchor: float = 0.0) -> None:
        """Writes `text` with its left (anchor 0), middle (0.5) or right edge (1) at x, its middle at y."""
        bits = np.kron(bitmap(text), np.ones((_SCALE, _SCALE), bool))
        left = round(x * _SCALE - anchor * bits.shape[1])
        top = round(y * _SCALE - bits.shape[0] / 2)
        left = min(max(left, 0), self._pixels.shape[1] - bits.shape[1])
        self._pixels[top : top + bits.shape[0], left : left + bits.shape[1]][bits] = colour

    def png(self) -> bytes:
        shape = (self.height, _SCALE, self.width, _SCALE, 3)
        image = self._pixels.reshape(shape).mean(axis=(1, 3)).round().astype(np.uint8)
        # Every row starts with the number of its filter: 0, none.
        rows = np.pad(image.reshape(self.height, -1), ((0, 0), (1, 0)))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def line_plot(path: Path, title: str, x_label: str, lines: Sequence[Line], width: int = 720, height: int = 440) -> None:
    """Writes a plot of `lines` to `path` as a PNG; points that are not finite are left out.

    Raises:
        OSError: when the file cannot be written.
        ValueError: when there is not a single finite point.
    """
    finite = []
    for line in lines:
        points = np.array([line.x, line.y], np.float64).T.reshape(-1, 2)
        finite.append(points[np.isfinite(points).all(axis=1)])
    every = np.concatenate(finite)
    if not len(every):
        raise ValueError("line_plot: there is no finite point to plot")
    x_low, x_high = _range(every[:, 0])
    y_low, y_high = _range(np.append(every[:, 1], 0.0))

    canvas = _Canvas(width, height)
    inner_width, inner_height = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x = _LEFT + (points[:, 0] - x_low) / (x_high - x_low) * inner_width
        y = _TOP + (y_high - points[:, 1]) / (y_high - y_low) * inner_height
        return np.stack([x, y], axis=1)

    for tick in _ticks(y_low, y_high):
        y = float(place(np.array([[x_low, tick]]))[0, 1])
        canvas.rectangle(_LEFT, y, inner_width, 1, _GRID)
        canvas.text(_LEFT - 8, y, f"{tick:g}", anchor=1.0)
    for tick in _ticks(x_low, x_high):
        x = float(place(np.array([[tick, y_low]]))[0, 0])
        canvas.rectangle(x, _TOP + inner_height, 1, 5, _INK)
        canvas.text(x, _TOP + inner_height + 14, f"{tick:g}", anchor=0.5)
    canvas.rectangle(_LEFT, _TOP + inner_height, inner_width, 1, _INK)
    canvas.rectangle(_LEFT, _TOP, 1, inner_height, _INK)
    canvas.text(_LEFT, _TOP / 2, title)
    canvas.text(_LEFT + inner_width / 2, height - GLYPH_HEIGHT - 4, x_label, anchor=0.5)

    for line, points in zip(lines, finite, strict=True):
        if len(points):
            canvas.polyline(place(points), line.colour)
    # The legend, from the right.
    right = float(width - _RIGHT)
    for line in reversed(lines):
        canvas.text(right, _TOP / 2, line.name, anchor=1.0)
        right -= len(line.name) * GLYPH_WIDTH + 6
        canvas.rectangle(right - 18, _TOP / 2 - 1, 18, 3, line.colour)
        right -= 18 + 16
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canvas.png())


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1.0)
