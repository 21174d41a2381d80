"""Module: the base class of every layer and model.

The fast half is Rust (`retrograd._core.Module`): `__call__` goes straight to `forward` when no hook is set, and
`__setattr__` notes the names of parameters and submodules. Parameters are ordinary instance attributes, so reading
`self.weight` costs what any attribute costs. Here is the rest: walking, saving, loading, hooks, printing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from retrograd import _core
from retrograd._core import DType, Parameter, Tensor
from retrograd._grads import forget
from retrograd.nn.hooks import Hook, Hooks, RemovableHandle

__all__ = ["IncompatibleKeys", "Module"]


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` found not to match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Module(_core.Module):
    """Base class of layers and models: assign parameters and layers as attributes, define `forward`.

    Example:
        >>> from retrograd import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = nn.Linear(4, 2)
        ...     def forward(self, x):
        ...         return self.layer(x).tanh()
        >>> [name for name, _ in Net().named_parameters()]
        ['layer.weight', 'layer.bias']
    """

    training: bool = True
    _hooks: Hooks | None = None
    _non_persistent: frozenset[str] = frozenset()

    if TYPE_CHECKING:
        # What a subclass, or the user, has assigned.
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self) -> None:
        # The names live in Rust and were made by __new__: nothing to do, but subclasses call it by habit.
        pass

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output; every subclass defines it.

        Raises:
            NotImplementedError: when a subclass does not.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(): define forward(self, ...)")

    # --- registering ---

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Makes `param` the parameter `name`; None reserves the name for a parameter that is not there.

        Raises:
            KeyError: when the name is empty, has a dot, or is taken by something that is not a parameter.
            TypeError: when `param` is not a `Parameter`.
        """
        self._check_name(name, self._parameter_names)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name!r} must be a Parameter or None, not {type(param).__name__}: "
                f"write Parameter(...)"
            )
        self._register_parameter(name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Makes `tensor` part of the module's state without training it; `persistent` puts it into `state_dict`.

        Raises:
            KeyError: when the name is empty, has a dot, or is taken by something that is not a buffer.
            TypeError: when `tensor` is not a `Tensor`.
        """
        self._check_name(name, self._buffer_names)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: {name!r} must be a Tensor or None, not {type(tensor).__name__}")
        self._register_buffer(name, tensor)
        self._non_persistent = self._non_persistent - {name} if persistent else self._non_persistent | {name}

    def add_module(self, name: str, module: Module | None) -> None:
        """Makes `module` the child `name`.

        Raises:
            KeyError: when the name is empty, has a dot, or is taken by something that is not a module.
            TypeError: when `module` is not a `Module`.
        """
        self._check_name(name, self._module_names)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {name!r} must be a Module or None, not {type(module).__name__}")
        self._register_module(name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, name: str, known: list[str]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a name must be a str, not {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"a name must not be empty or contain a dot, got {name!r}")
        if name not in known and hasattr(self, name):
            raise KeyError(f"attribute {name!r} already exists in {type(self).__name__}")

    # --- walking ---

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names, each object once."""
        seen: set[int] = set()
        for name in self._module_names:
            child = getattr(self, name, None)
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct submodules, each object once."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and everything below it, with dotted names; a module used twice appears once.

        `remove_duplicate=False` gives every path; a module that contains itself is then followed only once per path.
        """
        seen = set() if memo is None else memo
        # An explicit stack: a deep or cyclic model must not recurse.
        stack: list[tuple[str, Module, tuple[int, ...]]] = [(prefix, self, ())]
        while stack:
            path, module, above = stack.pop()
            if (remove_duplicate and module in seen) or id(module) in above:
                continue
            seen.add(module)
            yield path, module
            below = (*above, id(module)) if not remove_duplicate else ()
            names = [n for n in module._module_names if getattr(module, n, None) is not None]
            stack.extend((f"{path}.{n}" if path else n, getattr(module, n), below) for n in reversed(names))

    def modules(self) -> Iterator[Module]:
        """This module and everything below it, each object once."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with dotted names; one shared between layers appears once, under its first name."""
        return self._named_members("_parameter_names", Parameter, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with dotted names, each once."""
        return self._named_members("_buffer_names", Tensor, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named_members(
        self, names: str, kind: type[Tensor], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name in getattr(module, names):
                value = getattr(module, name, None)
                if not isinstance(value, kind) or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def get_submodule(self, target: str) -> Module:
        """The submodule of a dotted name; the empty name is this module.

        Raises:
            AttributeError: when a part of the name is not there, or is not a module.
        """
        module: Module = self
        for part in target.split(".") if target else ():
            if part not in module._module_names:
                raise AttributeError(f"{type(module).__name__} has no submodule {part!r} (looking for {target!r})")
            module = getattr(module, part)
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name.

        Raises:
            AttributeError: when it is not there, or is not a parameter.
        """
        path, _, name = target.rpartition(".")
        value = getattr(self.get_submodule(path), name, None)
        if not isinstance(value, Parameter):
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return value

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name.

        Raises:
            AttributeError: when it is not there, or is not a buffer.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module._buffer_names:
            raise AttributeError(f"{type(self).__name__} has no buffer {target!r}")
        buffer: Tensor = getattr(module, name)
        return buffer

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Calls `fn` on every submodule, children first, then on this module; returns self."""
        order: list[Module] = []
        seen: set[int] = set()
        stack: list[Module] = [self]
        # A walk that puts parents before children, last child first, is the wanted order reversed.
        while stack:
            module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            order.append(module)
            stack.extend(module.children())
        for module in reversed(order):
            fn(module)
        return self

    # --- modes ---

    def train(self, mode: bool = True) -> Self:
        """Puts this module and everything below it into training mode (dropout drops), or out of it.

        Raises:
            ValueError: when `mode` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be a bool, not {type(mode).__name__}")
        # Which operations a step runs depends on it: compiled functions must look again.
        _core.structure_changed()
        seen: set[int] = set()
        stack: list[Module] = [self]
        while stack:
            module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            if module is not self and type(module).train is not Module.train:
                module.train(mode)  # It has its own idea (frozen layers): it looks after what is below it.
                continue
            module.training = mode
            stack.extend(module.children())
        return self

    def eval(self) -> Self:
        """Puts this module and everything below it into evaluation mode; the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Says of all parameters whether they are trained; returns self."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or with `set_to_none=False` fills them with zeros."""
        forget(self.parameters(), set_to_none)

    # --- conversions ---

    def to(self, *args: Any, device: object = None, dtype: DType | None = None) -> Self:
        """Converts floating-point parameters and buffers to a dtype: `to(dtype)`, `to("cpu")`, `to(tensor)`.

        Parameters of another dtype are replaced by new ones: make the optimizer afterwards.

        Raises:
            NotImplementedError: for a device that is not the CPU.
            TypeError: for an argument that is none of these, or a dtype that is not floating-point.
        """
        for arg in args:
            if isinstance(arg, DType):
                dtype = arg
            elif isinstance(arg, Tensor):
                dtype = arg.dtype
            elif arg is not None and not isinstance(arg, bool):
                device = arg  # A bool is torch's non_blocking: here nothing ever blocks.
        if device is not None and str(device).partition(":")[0] != "cpu":
            raise NotImplementedError(f"to: device {str(device)!r} is not supported: Retrograd runs on the CPU")
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(f"to: a module can become a floating-point dtype only, not {dtype}")
        return self._convert(dtype)

    def float(self) -> Self:
        """Converts floating-point parameters and buffers to float32; see `to`."""
        return self._convert(_core.float32)

    def double(self) -> Self:
        """Converts floating-point parameters and buffers to float64; see `to`."""
        return self._convert(_core.float64)

    def bfloat16(self) -> Self:
        """Converts floating-point parameters and buffers to bfloat16; see `to`."""
        return self._convert(_core.bfloat16)

    def cpu(self) -> Self:
        """Returns self: everything is on the CPU."""
        return self

    def _convert(self, dtype: DType) -> Self:
        done: dict[int, Tensor] = {}  # A parameter shared between layers stays shared.
        for module in self.modules():
            for name in (*module._parameter_names, *module._buffer_names):
                old = getattr(module, name, None)
                if not isinstance(old, Tensor) or not old.dtype.is_floating_point or old.dtype == dtype:
                    continue
                if id(old) not in done:
                    done[id(old)] = _converted(old, dtype)
                setattr(module, name, done[id(old)])
        return self

    # --- saving and loading ---

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, sharing memory with the module.

        `keep_vars=True` gives the parameters themselves in place of detached tensors. A parameter shared between
        layers appears under each of its names, as in torch.
        """
        state: dict[str, Any] = {} if destination is None else destination
        for name, tensor in self._named_state():
            state[prefix + name] = tensor if keep_vars else tensor.detach()
        return state

    def _named_state(self) -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules(remove_duplicate=False):
            names = [
                *module._parameter_names,
                *(n for n in module._buffer_names if n not in module._non_persistent),
            ]
            for name in names:
                tensor = getattr(module, name, None)
                if tensor is not None:
                    yield f"{path}.{name}" if path else name, tensor

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies parameters and buffers from `state_dict`: tensors, or anything `as_tensor` takes.

        Everything is checked before anything is copied: a failed load changes nothing.

        Raises:
            RuntimeError: naming every missing or unexpected key (when `strict`) and every shape that differs.
            TypeError: when `state_dict` is not a mapping.
            NotImplementedError: for `assign=True`.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a mapping, got {type(state_dict).__name__}")
        if assign:
            raise NotImplementedError("load_state_dict: assign=True is not supported: values are copied")
        own = dict(self._named_state())
        result = IncompatibleKeys(
            [name for name in own if name not in state_dict], [name for name in state_dict if name not in own]
        )
        errors: list[str] = []
        if strict and result.unexpected_keys:
            errors.append(f"Unexpected key(s) in state_dict: {_quoted(result.unexpected_keys)}.")
        if strict and result.missing_keys:
            errors.append(f"Missing key(s) in state_dict: {_quoted(result.missing_keys)}.")
        values = {name: _core.as_tensor(state_dict[name]) for name in own if name in state_dict}
        errors.extend(
            f"size mismatch for {name}: copying a param with shape {tuple(value.shape)} from checkpoint, "
            f"the shape in current model is {tuple(own[name].shape)}."
            for name, value in values.items()
            if tuple(value.shape) != tuple(own[name].shape)
        )
        if errors:
            lines = "".join(f"\n\t{error}" for error in errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:{lines}")
        with _core.no_grad():
            for name, value in values.items():
                own[name].copy_(value)
        return result

    def __getstate__(self) -> dict[str, Any]:
        # The names are not in __dict__ but in Rust: a copy or a pickle must carry both.
        return {
            "attributes": dict(self.__dict__),
            "parameters": list(self._parameter_names),
            "buffers": list(self._buffer_names),
            "modules": list(self._module_names),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        attributes = state["attributes"]
        for name in state["parameters"]:
            self._register_parameter(name, attributes.get(name))
        for name in state["buffers"]:
            self._register_buffer(name, attributes.get(name))
        for name in state["modules"]:
            self._register_module(name, attributes.get(name))
        self.__dict__.update(attributes)
        self._has_hooks = self._hooks is not None

    # --- hooks ---

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before every forward; what it returns, when not None, replaces the arguments.

        With `with_kwargs` it is called as `hook(module, args, kwargs)` and may return `(args, kwargs)`.
        The handle's `remove()` undoes it.
        """
        return self._own_hooks().add_pre(hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after every forward; what it returns, when not None, replaces the output.

        With `with_kwargs` it is called as `hook(module, args, kwargs, output)`. The handle's `remove()` undoes it.

        Raises:
            NotImplementedError: for `always_call=True`.
        """
        if always_call:
            raise NotImplementedError("register_forward_hook: always_call=True is not supported")
        return self._own_hooks().add_post(hook, prepend, with_kwargs)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
            self._has_hooks = True
        return self._hooks

    def _call_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """Where `__call__` goes when `_has_hooks` is set."""
        return self._own_hooks().call(self, args, kwargs)

    # --- printing ---

    def extra_repr(self) -> str:
        """What stands between the parentheses of a layer's repr."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    @recursive_repr()
    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [(n, getattr(self, n)) for n in self._module_names if n in self.__dict__]
        if not children:
            return f"{self._get_name()}({extra})"
        lines = extra.split("\n") if extra else []
        lines += [_indent(f"({name}): {child!r}") for name, child in children]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _converted(old: Tensor, dtype: DType) -> Tensor:
    new = old.detach().to(dtype)
    if isinstance(old, Parameter):
        new = Parameter(new, old.requires_grad)
        if old.grad is not None:
            new.grad = old.grad.to(dtype)
    return new


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
