"""Containers: Sequential and ModuleList."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from retrograd import _core
from retrograd.nn.module import Module

__all__ = ["ModuleList", "Sequential"]


class _Numbered(Module):
    """Modules in order, by number and by name."""

    # The same modules as a tuple: iterating over it costs nothing, and it follows every change of the attributes.
    _items: tuple[Any, ...] = ()

    def _refresh(self) -> None:
        items = (getattr(self, name, None) for name in self._module_names)
        self.__dict__["_items"] = tuple(item for item in items if item is not None)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in self._module_names:
            self._refresh()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._refresh()

    def _register_module(self, name: str, value: Module | None) -> None:
        super()._register_module(name, value)
        self._refresh()

    def _replace_all(self, modules: list[Module]) -> None:
        for name in list(self._module_names):
            super().__delattr__(name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)
        self._refresh()

    def append(self, module: Module) -> Self:
        """Adds `module` at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds `modules` at the end; returns self."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Puts `module` before `index`; the numbers of those after it grow by one. Returns self."""
        modules = list(self._items)
        modules.insert(index, module)
        self._replace_all(modules)
        return self

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._items)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module | Self:
        if isinstance(index, slice):
            part = type(self)()
            for name in self._module_names[index]:
                part.add_module(name, getattr(self, name))
            return part
        item: Module = self._items[index]
        return item

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._module_names[index], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self._items)
        del modules[index]
        self._replace_all(modules)


class Sequential(_Numbered):
    """Layers one after the other: `Sequential(first, second)`, or a mapping from names to layers.

    Example:
        >>> from retrograd import nn
        >>> nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): ReLU()
        )
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            named: Iterable[tuple[str, Any]] = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Gives `input` to the first layer, its output to the second, and so on."""
        return _core.call_in_turn(self._items, input)


class ModuleList(_Numbered):
    """A list whose modules are found by `parameters()` and `state_dict()`; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)
