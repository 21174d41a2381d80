"""Makes of a context manager a decorator: `@no_grad()`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["in_context"]


def in_context(context: Callable[[], AbstractContextManager[Any]], function: Any) -> Any:
    """Wraps `function` so that it runs in a new `context()` each time; of a generator, every step does.

    Raises:
        TypeError: when `function` is not callable.
    """
    if not callable(function):
        raise TypeError(f"cannot decorate {type(function).__name__}: it is not callable")
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator = function(*args, **kwargs)
            # What the caller does between two steps happens outside of the context.
            try:
                with context():
                    value = next(generator)
                while True:
                    try:
                        sent = yield value
                    except GeneratorExit:
                        with context():
                            generator.close()
                        raise
                    except BaseException as error:
                        with context():
                            value = generator.throw(error)
                    else:
                        with context():
                            value = generator.send(sent)
            except StopIteration as stop:
                return stop.value

        return generate

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with context():
            return function(*args, **kwargs)

    return call
