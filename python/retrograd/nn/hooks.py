"""Forward hooks: what a module runs around `forward` once somebody has asked for it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from retrograd import _core

if TYPE_CHECKING:
    from retrograd.nn.module import Module

__all__ = ["Hook", "Hooks", "RemovableHandle"]

Hook = Callable[..., Any]
_Table = dict[int, tuple[Hook, bool]]
_ids = count()


class RemovableHandle:
    """Undoes one registration by `remove()`, or at the end of a `with` block."""

    __slots__ = ("_hooks", "_id")

    def __init__(self, hooks: Hooks, id: int) -> None:
        # Weak: a handle kept by the user must not keep the model alive.
        self._hooks = weakref.ref(hooks)
        self._id = id

    def remove(self) -> None:
        """Removes the hook; doing it twice is harmless."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.discard(self._id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """The forward hooks of one module, in the order in which they run."""

    __slots__ = ("__weakref__", "_post", "_pre")

    def __init__(self) -> None:
        self._pre: _Table = {}
        self._post: _Table = {}

    def add_pre(self, hook: Hook, prepend: bool, with_kwargs: bool) -> RemovableHandle:
        """Adds a hook that runs before forward."""
        self._pre, handle = self._added(self._pre, hook, prepend, with_kwargs)
        return handle

    def add_post(self, hook: Hook, prepend: bool, with_kwargs: bool) -> RemovableHandle:
        """Adds a hook that runs after forward."""
        self._post, handle = self._added(self._post, hook, prepend, with_kwargs)
        return handle

    def _added(self, table: _Table, hook: Hook, prepend: bool, with_kwargs: bool) -> tuple[_Table, RemovableHandle]:
        if not callable(hook):
            raise TypeError(f"a hook must be callable, not {type(hook).__name__}")
        _core.structure_changed()
        id = next(_ids)
        entry = {id: (hook, with_kwargs)}
        return (entry | table if prepend else table | entry), RemovableHandle(self, id)

    def discard(self, id: int) -> None:
        """Removes the hook with this id, if it is there."""
        _core.structure_changed()
        # New tables: a hook may remove itself while the old one is being walked.
        self._pre = {k: v for k, v in self._pre.items() if k != id}
        self._post = {k: v for k, v in self._post.items() if k != id}

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the hooks around `module.forward`."""
        for hook, with_kwargs in self._pre.values():
            if with_kwargs:
                result = hook(module, args, kwargs)
                if result is not None:
                    args, kwargs = result
            else:
                result = hook(module, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
        output = module.forward(*args, **kwargs)
        for hook, with_kwargs in self._post.values():
            result = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            if result is not None:
                output = result
        return output
