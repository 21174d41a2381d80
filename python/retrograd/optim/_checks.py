"""Checks that optimizers share."""

from __future__ import annotations

from typing import Any

__all__ = ["at_least_zero", "number", "pair", "refuse"]


def number(value: Any) -> tuple[float, ...]:
    """One number, as the kernel reads it."""
    return (float(value),)


def pair(values: Any) -> tuple[float, ...]:
    """Two numbers, as the kernel reads them."""
    first, second = values
    return float(first), float(second)


def at_least_zero(optimizer: str, name: str, value: float) -> None:
    """Raises ValueError unless 0 <= value; NaN is refused too."""
    if not value >= 0:
        raise ValueError(f"{optimizer}: {name} must be at least 0, got {value}")


def refuse(optimizer: str, *flags: tuple[str, Any, str]) -> None:
    """Refuses arguments that torch has and we do not: (name, value, cure), where a true value is refused."""
    for name, value, cure in flags:
        if value:
            raise NotImplementedError(f"{optimizer}: {name}={value!r} is not supported: {cure}")
