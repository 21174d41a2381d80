"""A roofline: what kernels reach, over their arithmetic a byte, under what the machine's memory and arithmetic allow.

After Williams, Waterman and Patterson, "Roofline: an insightful visual performance model", 2009. `python -m benches
roofline` draws it as `roofline.svg`, with heights as fractions of the measured peak.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path

__all__ = ["Point", "draw"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 860, 520, 70, 30, 20, 60
_X = (-1.5, 3.0)  # Powers of ten of the arithmetic a byte, from the left edge to the right,
_Y = (-3.0, 0.15)  # and of the fraction of the peak, from the bottom to the top.
_COLOURS = {"matrix products": "#1f77b4", "elementwise": "#d95f02", "training steps": "#1b9e77"}


@dataclass(frozen=True)
class Point:
    """A kernel: its name and kind, floating-point operations, the bytes it must move, and the seconds it took."""

    name: str
    kind: str
    flop: float
    bytes: float
    seconds: float


def _x(intensity: float) -> float:
    at = (log10(intensity) - _X[0]) / (_X[1] - _X[0])
    return _LEFT + at * (_WIDTH - _LEFT - _RIGHT)


def _y(fraction: float) -> float:
    at = (log10(fraction) - _Y[0]) / (_Y[1] - _Y[0])
    return _HEIGHT - _BOTTOM - at * (_HEIGHT - _TOP - _BOTTOM)


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'


def _axes() -> Iterable[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for power in range(-1, 4):
        x = _x(10.0**power)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield _text(x, bottom + 18, f"{10.0**power:g}")
    for power in range(-3, 1):
        y = _y(10.0**power)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        yield _text(_LEFT - 8, y + 4, f"{10.0**power:g}", "end")
    yield _text((_LEFT + right) / 2, _HEIGHT - 18, "floating-point operations a byte", size=13)
    yield f'<g transform="rotate(-90)">{_text(-(_TOP + bottom) / 2, 18, "fraction of the peak", size=13)}</g>'


def draw(path: Path, title: str, peak: float, bandwidth: float, points: Sequence[Point]) -> None:
    """Writes the picture.

    Args:
        path: where to, as SVG.
        title: what is written above it.
        peak: the machine's arithmetic, in operations a second.
        bandwidth: the machine's memory, in bytes a second.
        points: what was measured. Some may stand above the memory's line: what fits the caches need not go there.
    """
    ridge = peak / bandwidth
    low = 10.0 ** _X[0]
    roof = f"M{_x(low):.1f} {_y(low / ridge):.1f}L{_x(ridge):.1f} {_y(1.0):.1f}H{_WIDTH - _RIGHT}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_WIDTH / 2, 18, title, size=14),
        *_axes(),
        f'<path d="{roof}" fill="none" stroke="black" stroke-width="2"/>',
    ]
    for point in points:
        intensity, fraction = point.flop / point.bytes, point.flop / point.seconds / peak
        if intensity < low or fraction < 10.0 ** _Y[0]:
            continue
        x, y, colour = _x(min(intensity, 10.0 ** _X[1])), _y(fraction), _COLOURS[point.kind]
        mark = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity="0.75">'
        lines.append(f"{mark}<title>{point.name}: {fraction:.2f} of the peak</title></circle>")
    for i, (kind, colour) in enumerate(_COLOURS.items()):
        x, y = _WIDTH - 170, _HEIGHT - _BOTTOM - 20 - 20 * i
        lines.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{colour}"/>')
        lines.append(_text(x + 10, y, kind, "start"))
    path.write_text("\n".join([*lines, "</svg>"]) + "\n")
