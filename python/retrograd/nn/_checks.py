"""Checks that layers share."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["check_device", "check_size", "unsupported"]


def check_device(layer: str, device: object) -> None:
    """Accepts None and the CPU; everything else is not supported."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        unsupported(layer, "device", device, "Retrograd runs on the CPU")


def check_size(layer: str, name: str, value: int) -> int:
    """A size: an int that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{layer}: {name} must be an int, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{layer}: {name} must not be negative, got {value}")
    return value


def unsupported(where: str, name: str, value: object, cure: str) -> NoReturn:
    """Says that an argument torch has is not supported (yet), and what to do."""
    raise NotImplementedError(f"{where}: {name}={value!r} is not supported: {cure}")
