"""Reads the samples that every op lists: operand shapes, then attributes.

`"(3,4) (1,4)"`, `"(0,4) (0,2)i4 dim=1"`, `"(4,3).T (3,)+"`. After a shape: `.T` transposes the last two dimensions,
so that (4,3).T is a (3,4) operand stored the other way round; `::2` stores the last one with a gap after every element;
`i5` is an int64 operand with values from 0 to 4, `b` a bool operand, `+` positive values.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import retrograd as rg
from numpy.typing import NDArray
from retrograd import Tensor, _core

Array = NDArray[Any]

_SPEC = re.compile(r"\((?P<shape>[\d,\s]*)\)(?P<marks>(?:\.T|::2|i\d*|b|\+)*)")
_MARK = re.compile(r"\.T|::2|i\d*|b|\+")


@dataclass(frozen=True)
class Operand:
    """One operand of a sample."""

    shape: tuple[int, ...]
    transposed: bool = False
    strided: bool = False
    below: int | None = None
    truth: bool = False
    positive: bool = False

    @classmethod
    def parse(cls, text: str) -> Operand:
        """Reads one operand."""
        match = _SPEC.fullmatch(text)
        if match is None:
            raise ValueError(f"not an operand: {text!r}")
        shape = tuple(int(n) for n in match["shape"].replace(" ", "").split(",") if n)
        marks = _MARK.findall(match["marks"])
        if ".T" in marks:
            shape = (*shape[:-2], shape[-1], shape[-2])
        below = next((int(m[1:] or 1) for m in marks if m.startswith("i")), None)
        return cls(shape, ".T" in marks, "::2" in marks, below, "b" in marks, "+" in marks)

    @property
    def real(self) -> bool:
        """Whether it holds real numbers."""
        return self.below is None and not self.truth

    def array(self, rng: np.random.Generator) -> Array:
        """Values: distinct, and away from 0, so that a small step crosses no kink."""
        n = math.prod(self.shape)
        if self.below is not None:
            return rng.integers(0, max(self.below, 1), self.shape)
        if self.truth:
            return rng.integers(0, 2, self.shape).astype(bool)
        sizes = rng.permutation(np.linspace(0.3, 2.0, n)) + rng.uniform(0, 0.01, n)
        signs = 1 if self.positive else rng.choice([-1.0, 1.0], n)
        return np.asarray(sizes * signs).reshape(self.shape)

    def laid_out(self, array: Array, dtype: _core.DType | None = None) -> Tensor:
        """A tensor of these values, laid out in memory as the sample says."""
        t = rg.tensor(array) if dtype is None else rg.tensor(array).to(dtype)
        with rg.no_grad():
            if self.transposed:
                t = t.transpose(-1, -2).clone().transpose(-1, -2)
            if self.strided:
                gaps = rg.zeros(*t.shape[:-1], 2 * t.shape[-1], dtype=t.dtype)
                gaps[..., ::2] = t
                t = gaps[..., ::2]
        return t


@dataclass(frozen=True)
class Op:
    """A row of the engine's list."""

    name: str
    operands: list[str]
    accepts: list[str]
    variadic: bool
    attrs: list[str]
    mutates: list[int]
    samples: list[Sample]
    differentiable: list[bool]

    def accepts_of(self, sample: Sample) -> list[str]:
        """What each operand of the sample may be; a list of operands may all be the same, the last may be left out."""
        count = len(sample.operands)
        return self.accepts * count if self.variadic else self.accepts[:count]

    @property
    def call(self) -> Any:
        """The op itself: operands, then attributes by name."""
        return getattr(_core.ops, self.name)


@dataclass(frozen=True)
class Sample:
    """One call of an op."""

    text: str

    @cached_property
    def _words(self) -> tuple[list[str], list[str]]:
        words = re.findall(r"(?:\([^)]*\)|\[[^\]]*\]|\S)+", self.text)
        attributes = [w for w in words if re.match(r"[a-z_]\w*=", w)]
        return [w for w in words if w not in attributes], attributes

    @cached_property
    def operands(self) -> list[Operand]:
        """The operands."""
        return [Operand.parse(word) for word in self._words[0]]

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes: Python literals, or bare words for names."""
        return dict(self._attribute(word) for word in self._words[1])

    @staticmethod
    def _attribute(word: str) -> tuple[str, Any]:
        name, _, text = word.partition("=")
        try:
            return name, ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
        except (SyntaxError, ValueError):
            return name, text

    def arrays(self, seed: int = 0) -> list[Array]:
        """Values for all operands, the same for the same seed."""
        rng = np.random.default_rng([seed, *self.text.encode()])
        return [operand.array(rng) for operand in self.operands]


def all_ops() -> list[Op]:
    """The engine's list."""
    return [
        Op(
            name=row["name"],
            operands=row["operands"],
            accepts=row["dtypes"],
            variadic=row["variadic"],
            attrs=row["attrs"],
            mutates=row["mutates"],
            samples=[Sample(text) for text in row["samples"]],
            differentiable=row["differentiable"],
        )
        for row in _core.op_list()
    ]
