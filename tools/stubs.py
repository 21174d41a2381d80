"""Finishes the stub that `maturin generate-stubs` writes: `python tools/stubs.py GENERATED FINISHED`.

PyO3 knows the types of what Rust takes and gives. What it cannot know is filled in here: what Rust handles as "any
Python object", element types of tuples and dictionaries, and names that a class shadows (`Tensor.int` and `int`).
Every rule must match a line, so a rule that is no longer needed is noticed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

IMPORTS = """\
# Generated from rust/python by `make stubs`: do not edit.
from builtins import bool as bool2
from builtins import int as int2
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, SupportsFloat, SupportsIndex, TypeVar, final

from numpy.typing import NDArray
from typing_extensions import disjoint_base

_F = TypeVar("_F", bound=Callable[..., Any])

"""

# Class (or nothing), function, what its line says, what it shall say.
RULES = [
    ("Tensor", "__r?(?:add|sub|mul|truediv|floordiv|mod|pow|matmul)__", "-> Any", "-> Tensor"),
    ("Tensor", "__(?:lt|le|gt|ge)__", "-> Any", "-> Tensor"),
    ("Tensor", "__(?:eq|ne)__", "-> Any: ...", "-> Tensor: ...  # type: ignore[override]"),
    ("Tensor", "__i(?:add|sub|mul|truediv)__", "-> None", "-> Tensor"),
    ("Tensor", "__iter__", "-> Any", "-> Iterator[Tensor]"),
    ("Tensor", "__int__", "-> Any", "-> int2"),
    ("Tensor", "__array__", "-> Any", "-> NDArray[Any]"),
    ("Tensor", "__reduce__", "tuple]", "tuple[Any, ...]]"),
    ("Tensor", "numpy", "-> Any", "-> NDArray[Any]"),
    ("Tensor", "shape|stride", "-> tuple", "-> tuple[int2, ...]"),
    ("Tensor", "chunk|split|unbind", "-> tuple", "-> tuple[Tensor, ...]"),
    ("Tensor", "split", "SupportsGetItem[int2, SupportsIndex]", "Sequence[SupportsIndex]"),
    ("no_grad|enable_grad|inference_mode", "__call__", "function: Any) -> Any", "function: _F) -> _F"),
    ("", "from_numpy|rebuild_tensor", "array: Incomplete", "array: NDArray[Any]"),
    ("", "grad", "-> tuple", "-> tuple[Any, ...]"),
    ("", "call_in_turn", "layers: tuple,", "layers: tuple[Any, ...],"),
    ("", "memory_stats", "-> dict", "-> dict[str, int2]"),
    ("", "sgd_step|adam_step", "state: dict,", "state: dict[Tensor, dict[str, Any]],"),
    ("", "sgd_step|adam_step", "params: list,", "params: list[Tensor],"),
    ("", "drop_grads", "params: Any)", "params: Iterable[Tensor])"),
    ("", "op_list", "-> list", "-> list[dict[str, Any]]"),
]


def finish(text: str) -> str:
    """The finished stub."""
    unused = set(range(len(RULES)))
    inside = ""
    lines = []
    for line in text.splitlines():
        if line.startswith("from "):
            continue
        if declared := re.match(r"(?:class (\w+)|\S)", line):
            inside = declared[1] or ""
        if "def __getattr__(name: str)" in line and not inside:
            line = "ops: Any"  # Made when the module is loaded, from the engine's own list.
        elif function := re.match(r"\s*def (\w+)\(", line):
            line = re.sub(r"(\*{1,2}\w+)(?=[,)])", r"\1: Any", line)
            if inside == "Tensor":
                line = re.sub(r"(?<=[ \[])int(?=[],):| ])", "int2", line)
            for i, (owner, name, old, new) in enumerate(RULES):
                if re.fullmatch(owner, inside) and re.fullmatch(name, function[1]) and old in line:
                    line = line.replace(old, new)
                    unused.discard(i)
        lines.append(line)
    if unused:
        raise SystemExit(f"rules that match nothing: {[RULES[i] for i in sorted(unused)]}")
    # The module's docstring comes first.
    end = lines.index('"""', 1) + 1
    body = "\n".join(lines[end:]).strip("\n")
    return "\n".join(lines[:end]) + "\n" + IMPORTS + body + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(finish(Path(sys.argv[1]).read_text()))
