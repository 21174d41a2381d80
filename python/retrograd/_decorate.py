"""Context managers as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def in_context(context: Callable[[], AbstractContextManager[object]], function: Callable[P, R]) -> Callable[P, R]:
    """Wraps `function` so that each call runs inside a fresh `context()`."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with context():
            return function(*args, **kwargs)

    return wrapped
