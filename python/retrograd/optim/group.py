"""ParamGroup: the parameters that share hyperparameters, and those hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Self

from retrograd import _core
from retrograd._core import Tensor

__all__ = ["ParamGroup"]

# What a group's entry becomes in the numbers the kernel reads.
Layout = Mapping[str, Callable[[Any], tuple[float, ...]]]


class ParamGroup(dict[str, Any]):
    """A dictionary whose hyperparameters also live in a tensor, `hyper`, which the fused update reads.

    Every way to write an entry writes through to that tensor, so a learning rate changed between two steps is seen by
    the next one, a replayed one (`retrograd.compile`) too.
    """

    __slots__ = ("_layout", "_offsets", "hyper")

    def __init__(self, entries: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(entries)
        self._layout = layout
        self._offsets: dict[str, int] = {}
        numbers: list[float] = []
        for name, convert in layout.items():
            self._offsets[name] = len(numbers)
            numbers.extend(convert(entries[name]))
        self.hyper: Tensor = _core.tensor(numbers, dtype=_core.float64)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._layout:
            numbers = self._layout[key](value)
            # First the tensor: where that is refused (inside a recording), the entry must not change either.
            for i, number in enumerate(numbers, self._offsets[key]):
                _core.poke(self.hyper, i, number)
        if key not in self._layout or bool(value) != bool(self[key]):
            # Not a number that the update reads, but what it does: momentum or none, ascent or descent.
            _core.structure_changed()
        super().__setitem__(key, value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets several entries, as dict.update does."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Self:  # type: ignore[override, misc]
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry, set to `default` if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def __delitem__(self, key: str) -> None:
        if key in self._layout or key == "params":
            self._refuse(key)
        super().__delitem__(key)

    def pop(self, key: str, *default: Any) -> Any:
        """Removes an entry that is not a hyperparameter, and returns it."""
        if key in self._layout or key == "params":
            self._refuse(key)
        return super().pop(key, *default)

    def popitem(self) -> NoReturn:
        """Not for parameter groups."""
        self._refuse("its last entry")

    def clear(self) -> NoReturn:
        """Not for parameter groups."""
        self._refuse("its entries")

    def _refuse(self, what: str) -> NoReturn:
        raise TypeError(f"a parameter group cannot lose {what}: the optimizer needs it")

    def __reduce__(self) -> tuple[Any, ...]:
        return ParamGroup, (dict(self), self._layout)

    def __repr__(self) -> str:
        return f"ParamGroup({ {k: v for k, v in self.items() if k != 'params'} }, {len(self['params'])} parameters)"
