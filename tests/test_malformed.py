"""Malformed calls, generated for every op from its own samples and for every public function from its signature.

Whatever is wrong, the answer is an ordinary exception that names the op: never a panic, an abort or a wrong number.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.samples import Op, Sample, all_ops
from retrograd import Tensor, nn, optim
from retrograd.nn import functional, init

ALLOWED = (TypeError, ValueError, IndexError, RuntimeError, NotImplementedError, MemoryError, OverflowError)
OPS = all_ops()
HUGE = 2**62

# What a user may pass in place of anything.
JUNK: list[Any] = [
    None,
    "text",
    b"bytes",
    object(),
    [],
    {},
    (),
    1.5,
    -1,
    HUGE,
    -HUGE,
    2**70,
    float("nan"),
    1j,
    True,
]


def call(where: str, f: Callable[..., Any], *args: Any, **kwargs: Any) -> BaseException | None:
    """Calls; a panic (a BaseException of PyO3's own) or one that was caught at the boundary fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f(*args, **kwargs)
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        assert "panic" not in text.lower(), f"{where}: {text}"
        assert isinstance(error, ALLOWED), f"{where}: {text}"
        assert str(error), f"{where}: {type(error).__name__} without a message"
        return error
    return None


def tensors_of(sample: Sample) -> list[Tensor]:
    return [
        o.laid_out(a, rg.float32 if o.real else None) for o, a in zip(sample.operands, sample.arrays(), strict=True)
    ]


def odd_tensors() -> list[Tensor]:
    """Operands of every rank, dtype and some awkward extents."""
    shapes = [(), (0,), (1,), (7,), (3, 0), (3, 4), (4, 3), (1, 1), (2, 3, 4), (1,) * 8, (0,) * 8]
    made = [rg.zeros(*s) if s else rg.tensor(1.0) for s in shapes]
    made += [rg.zeros(3, 4).to(d) for d in (rg.float64, rg.bfloat16, rg.float16, rg.int64, rg.int32, rg.uint8, rg.bool)]
    made += [rg.full((3, 4), n, dtype=rg.int64) for n in (-1, 99, -(2**63), 2**63 - 1)]
    made += [rg.full((3,), n, dtype=rg.int64) for n in (-1, 99, 2**63 - 1)]
    made += [rg.zeros(1).expand(1 << 40), rg.zeros(1, 1).expand(1 << 20, 1 << 20)]
    return made


ODD = odd_tensors()


def variants(op: Op, sample: Sample) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    good, attributes = tensors_of(sample), sample.attributes
    yield "no operand", [], attributes
    yield "one too few", good[:-1], attributes
    yield "one too many", [*good, good[0]], attributes
    for i in range(len(good)):
        for odd in ODD:
            yield (
                f"operand {i} is {odd.dtype}{tuple(odd.shape)}",
                [*good[:i], odd, *good[i + 1 :]],
                attributes,
            )
        for junk in JUNK:
            yield f"operand {i} is {junk!r}", [*good[:i], junk, *good[i + 1 :]], attributes
    for odd in ODD:
        yield f"all are {odd.dtype}{tuple(odd.shape)}", [odd] * len(good), attributes
    yield "an unknown attribute", good, {**attributes, "nonsense": 1}
    for name in attributes:
        yield f"without {name}", good, {k: v for k, v in attributes.items() if k != name}
        for junk in [*JUNK, (0,), (-1,), (HUGE, HUGE), (0, 0), list(range(20)), (1, 2, 3), 7, 0]:
            yield f"{name}={junk!r}", good, {**attributes, name: junk}


# These would read all of a tensor that claims a million million elements, and be right to.
READERS = {"sum", "max", "min", "argmax", "argmin"}


def endless(op: Op, operands: list[Any]) -> bool:
    return op.name in READERS and any(isinstance(t, Tensor) and t.numel() > 1 << 30 for t in operands)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_malformed_calls_of_ops(op: Op) -> None:
    if op.variadic:
        pytest.skip("lists of tensors: see test_malformed_optimizer_steps")
    seen_errors = 0
    for sample in op.samples[:3]:
        for what, operands, attributes in variants(op, sample):
            if endless(op, operands):
                continue
            if op.mutates:
                operands = [t.clone() if isinstance(t, Tensor) and t.numel() < 1000 else t for t in operands]
            error = call(f"{op.name}: {what}", op.call, *operands, **attributes)
            if error is not None:
                seen_errors += 1
                assert op.name in str(error), f"{op.name}: {what}: the message does not name the op: {error}"
    assert seen_errors > 20
    # Nothing is broken afterwards.
    sample = op.samples[0]
    op.call(*tensors_of(sample), **sample.attributes)


def test_malformed_optimizer_steps() -> None:
    from retrograd import _core

    def check(name: str, step: Callable[..., Any], hyper: list[float], *names: str) -> None:
        numbers = rg.tensor(hyper, dtype=rg.float64)
        params = [rg.ones(3, requires_grad=True) for _ in range(2)]
        for p in params:
            p.grad = rg.ones(3)
        state: dict[Any, Any] = {}
        good: list[Any] = [state, params, numbers]
        step(*good)
        assert [list(state[p]) for p in params] == [list(names)] * 2
        wrong = [rg.ones(1), rg.ones(2), rg.ones(3, dtype=rg.int64)]
        for bad in [
            *JUNK,
            *wrong,
            *([t] * 2 for t in wrong),
            [rg.ones(3)],
            [1, 2],
            {params[0]: 1},
            {params[0]: {"step": rg.ones(2)}},
            *ODD[:20],
        ]:
            for i in range(len(good)):
                call(f"{name} argument {i} = {bad!r:.80}", step, *good[:i], bad, *good[i + 1 :])
            for entry in names:
                whole = {p: {key: value.clone() for key, value in state[p].items()} for p in params}
                whole[params[1]][entry] = bad
                call(f"{name} with {entry} = {bad!r:.80}", step, whole, params, numbers)

    sgd = [0.1, 0.9, 0.0, 0.0]
    check("sgd_step", _core.sgd_step, sgd, "step")
    check("sgd_step with momentum", partial(_core.sgd_step, momentum=True), sgd, "step", "momentum_buffer")
    check("adam_step", _core.adam_step, [0.1, 0.9, 0.9, 1e-8, 0.0], "step", "exp_avg", "exp_avg_sq")


SKIPPED = {
    "empty_cache",
    "memory_stats",
    "no_grad",
    "enable_grad",
    "set_grad_enabled",
    "set_num_threads",
    "Tensor",
    "DType",
}
FUNCTIONS = [
    *((name, getattr(rg, name)) for name in rg.__all__ if callable(getattr(rg, name)) and name not in SKIPPED),
    *((f"F.{name}", getattr(functional, name)) for name in functional.__all__),
    *((f"init.{name}", getattr(init, name)) for name in init.__all__),
    *((f"optim.{name}", getattr(optim, name)) for name in ("SGD", "Adam", "AdamW")),
    *((f"nn.{name}", getattr(nn, name)) for name in nn.__all__ if inspect.isclass(getattr(nn, name))),
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_malformed_calls_of_functions(name: str, function: Any) -> None:
    small = [t for t in ODD if t.numel() < 1 << 20]
    values = [
        *JUNK,
        *small,
        rg.ones(2, 2),
        rg.float32,
        lambda *a: None,
        np.ones(2),
        (HUGE, HUGE),
        [HUGE],
        range(3),
    ]
    for first in values:
        call(f"{name}({first!r:.60})", function, first)
        for second in [*JUNK, rg.ones(2), rg.zeros(0, dtype=rg.int64), (HUGE, 2)]:
            call(f"{name}({first!r:.60}, {second!r:.60})", function, first, second)
    call(f"{name}()", function)
    call(f"{name}(nonsense=1)", function, nonsense=1)


METHODS = [
    name
    for name in dir(Tensor)
    if (
        not name.startswith("_") or name in {"__getitem__", "__add__", "__matmul__", "__pow__", "__rpow__", "__array__"}
    )
    and callable(getattr(Tensor, name))
]


@pytest.mark.parametrize("name", METHODS)
def test_malformed_calls_of_methods(name: str) -> None:
    def subjects() -> list[Tensor]:
        return [
            rg.ones(2, 3),
            rg.ones(2, 3, dtype=rg.int64),
            rg.zeros(0),
            rg.tensor(1.0),
            rg.ones(3, requires_grad=True) * 1,
            rg.ones(1, 3).expand(4, 3),
        ]

    arguments = [
        *JUNK,
        rg.ones(3),
        rg.zeros(0),
        rg.tensor([5, -7]),
        rg.tensor([True, False]),
        rg.bool,
        (0, 0),
        (HUGE, HUGE),
        (-1, -1),
    ]
    for i in range(len(subjects())):
        call(f"{name}()", getattr(subjects()[i], name))
        for a in arguments:
            call(f"Tensor.{name}({a!r:.60}) on subject {i}", getattr(subjects()[i], name), a)
            for b in (None, 1, -5, HUGE, "x", rg.ones(2), (0, 1)):
                call(f"Tensor.{name}({a!r:.60}, {b!r:.60}) on subject {i}", getattr(subjects()[i], name), a, b)
