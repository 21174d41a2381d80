"""Optimizer: what all optimizers share: parameter groups, state, saving and loading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from retrograd import _core
from retrograd._core import Tensor
from retrograd._grads import forget
from retrograd.optim.group import Layout, ParamGroup

__all__ = ["Optimizer", "ParamGroup"]

Params = Iterable[Tensor | Mapping[str, Any] | tuple[str, Tensor]]


class Optimizer:
    """Base class of optimizers.

    A subclass gives its defaults to `__init__`, names in `layout` the hyperparameters that its kernel reads from a
    tensor, and defines `check` and `update`.

    Attributes:
        param_groups: a list of `ParamGroup`; `group["lr"] = 0.01` changes a learning rate, also of a compiled step.
        state: for each parameter a dictionary of tensors.
        defaults: the hyperparameters of a group that does not give its own.

    Raises:
        ValueError: for no parameters at all, a parameter twice, or a hyperparameter out of range.
        TypeError: for something that is not a tensor.
    """

    layout: ClassVar[Layout] = {}

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"{self._name}: params must be an iterable of tensors or of groups, not a tensor: write [p]"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[ParamGroup] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{self._name}: got an empty list of parameters")
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def check(self, group: Mapping[str, Any]) -> None:
        """Raises ValueError for a hyperparameter out of range."""

    def update(self, group: ParamGroup) -> None:
        """Updates the parameters of `group` that have a gradient; every subclass defines it."""
        raise NotImplementedError(f"{self._name} must define update()")

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds parameters with hyperparameters of their own: `{"params": [...], "lr": 0.1}`."""
        if not isinstance(param_group, Mapping):
            raise TypeError(f"{self._name}: a parameter group must be a dict, not {type(param_group).__name__}")
        given = param_group["params"]
        listed: list[Any] = [given] if isinstance(given, Tensor) else list(given)
        if isinstance(given, set | frozenset):
            raise TypeError(f"{self._name}: parameters need an order: give a list, not a set")
        # Named parameters, as (name, tensor), are taken too.
        params = [p[1] if isinstance(p, tuple) and len(p) == 2 else p for p in listed]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: can optimize tensors only, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError(f"{self._name}: can optimize leaf tensors only; this one is computed: detach it")
            if id(p) in known:
                raise ValueError(f"{self._name}: some parameters appear in more than one parameter group, or twice")
            known.add(id(p))
        entries = self.defaults | dict(param_group) | {"params": params}
        unknown = [k for k in param_group if k != "params" and k not in self.defaults]
        for key in unknown:
            if key not in ("name", "initial_lr"):
                raise NotImplementedError(f"{self._name}: parameter group option {key!r} is not supported")
        self.check(entries)
        self.param_groups.append(ParamGroup(entries, self.layout))
        _core.structure_changed()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients, or with `set_to_none=False` fills them with zeros."""
        for group in self.param_groups:
            forget(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient; a `closure` first computes the loss, which is returned."""
        loss = None
        if closure is not None:
            with _core.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.update(group)
        return loss

    # --- saving and loading ---

    def state_dict(self) -> dict[str, Any]:
        """State and hyperparameters in torch's format: parameters are numbered in the order of the groups."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[id(p)] = len(numbers)
            groups.append({**group, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers[id(p)]: dict(entries) for p, entries in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over a saved state, copying its tensors; hyperparameters come from it too.

        Raises:
            ValueError: when the groups differ in number or size, or a tensor in shape.
        """
        saved = state_dict["param_groups"]
        if [len(g["params"]) for g in saved] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(
                f"{self._name}: the saved state has parameter groups of sizes {[len(g['params']) for g in saved]}, "
                f"the optimizer of sizes {[len(g['params']) for g in self.param_groups]}"
            )
        state: dict[Tensor, dict[str, Any]] = {}
        for group, old in zip(self.param_groups, saved, strict=True):
            for p, number in zip(group["params"], old["params"], strict=True):
                entries = state_dict["state"].get(number)
                if entries is not None:
                    state[p] = self._loaded(p, entries)
            self.check({**group, **{k: v for k, v in old.items() if k in group and k != "params"}})
        for group, old in zip(self.param_groups, saved, strict=True):
            group.update({k: v for k, v in old.items() if k in group and k != "params"})
        self.state = state
        _core.structure_changed()

    def _loaded(self, param: Tensor, entries: Mapping[str, Any]) -> dict[str, Any]:
        loaded: dict[str, Any] = {}
        for name, value in entries.items():
            if value is None:
                continue
            dtype = _core.float32 if name == "step" else param.dtype
            copy = _core.as_tensor(value).detach().to(dtype).clone()
            if name != "step" and tuple(copy.shape) != tuple(param.shape):
                raise ValueError(
                    f"{self._name}: the saved {name} has shape {tuple(copy.shape)}, its parameter {tuple(param.shape)}"
                )
            loaded[name] = copy
        if loaded and "step" not in loaded:
            # torch's SGD keeps no count; a buffer that exists has seen a step.
            loaded["step"] = _core.ones((), dtype=_core.float32)
        return loaded

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])
