"""The sweep: every op the engine lists, at every sample it gives, against the NumPy reference of its name.

Forward at every dtype and memory layout, backward in float64, first and second derivatives by central differences, NaN
and infinity. What must not differ between SIMD levels and thread counts is in `test_same_bits.py`, malformed calls in
`test_malformed.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from checks.gradients import check_gradients
from checks.samples import Array, Op, Sample, all_ops
from reference import REFERENCES
from retrograd import Tensor

OPS = all_ops()
# How far a result may be from the float64 reference, relative to the largest number involved.
TOLERANCE = {rg.float64: 1e-12, rg.float32: 1e-5, rg.bfloat16: 2e-2}
REAL = list(TOLERANCE)
WHOLE = [rg.int64, rg.int32, rg.uint8]
# What a forward pass keeps for its gradient stays in the dtype it was computed in.
KEPT = {"lse", "mean", "rstd"}
SUMS_OF_PRODUCTS = {
    *("matmul", "cross_entropy", "cross_entropy_backward", "uniform", "normal", "layer_norm"),
    *("softmax_backward", "log_softmax_backward"),
}
# Values that expose what ordinary ones do not.
SPECIAL = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e30, -1e-30, 1.0]


def cases(ops: Sequence[Op] = OPS) -> list[Any]:
    return [pytest.param(op, sample, id=f"{op.name} {sample.text}") for op in ops for sample in op.samples]


def differentiable(op: Op) -> bool:
    return any(op.differentiable) and REFERENCES[op.name].backward is not None


# --- completeness ---


def test_every_op_has_a_reference() -> None:
    assert [op.name for op in OPS if op.name not in REFERENCES] == []


def test_every_reference_has_an_op() -> None:
    assert set(REFERENCES) - {op.name for op in OPS} == set()


def test_every_op_has_samples() -> None:
    # The optimizers' lists of tensors are swept in test_optim.py.
    assert [op.name for op in OPS if not op.samples and not op.variadic] == []


def test_every_differentiable_op_has_a_reference_gradient() -> None:
    assert [op.name for op in OPS if any(op.differentiable) and REFERENCES[op.name].backward is None] == []


@pytest.mark.parametrize("op", [op for op in OPS if op.samples and not op.mutates], ids=lambda op: op.name)
def test_samples_cover_the_corners(op: Op) -> None:
    operands = [o for sample in op.samples for o in sample.operands]
    shapes = [o.shape for o in operands] + [sample.attributes.get("shape", ()) for sample in op.samples]
    never_empty = {"max", "min", "argmax", "argmin", "cross_entropy_backward"}
    assert any(0 in shape for shape in shapes) or op.name in never_empty, "no zero size"
    assert any(o.transposed or o.strided for o in operands) or op.name in {"uniform", "normal"}, "all contiguous"


# --- forward ---


def run(op: Op, tensors: Sequence[Tensor], attributes: dict[str, Any]) -> list[Tensor]:
    result = op.call(*tensors, **attributes)
    if result is None:
        return [tensors[i] for i in op.mutates]
    return list(result) if isinstance(result, tuple | list) else [result]


def plain(op: Op, arrays: Sequence[Array], attributes: dict[str, Any]) -> list[Array]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = REFERENCES[op.name].forward(*arrays, **attributes)
    return [np.asarray(y) for y in (result if isinstance(result, tuple) else (result,))]


def as_array(t: Tensor) -> Array:
    """In NumPy, real numbers in float64."""
    t = t.detach()
    return t.double().numpy() if t.dtype.is_floating_point else t.numpy()


def assert_close(got: Tensor, want: Array, tolerance: float, scale: float = 1.0) -> None:
    assert tuple(got.shape) == want.shape
    if got.dtype.is_floating_point:
        size = float(np.abs(want[np.isfinite(want)]).max(initial=scale))
        np.testing.assert_allclose(as_array(got), want, rtol=tolerance, atol=tolerance * size)
    else:
        np.testing.assert_array_equal(as_array(got), want.astype(as_array(got).dtype))


def dtypes_for(op: Op, sample: Sample) -> list[rg.DType]:
    """What the dtype of the operands that have no fixed one may be."""
    free = [
        operand
        for operand, accepts in zip(sample.operands, op.accepts_of(sample), strict=True)
        if accepts in {"any", "same", "float", "number"}
    ]
    if all(o.below is not None for o in free) and free:
        return WHOLE
    return REAL if any(o.real for o in free) else [rg.float32]


def operands(op: Op, sample: Sample, dtype: rg.DType, arrays: Sequence[Array], layout: bool = True) -> list[Tensor]:
    """The sample's operands: the free ones of `dtype`, laid out in memory as the sample says."""
    tensors = []
    names = op.operands * len(arrays) if op.variadic else op.operands[: len(arrays)]
    for operand, accepts, array, name in zip(sample.operands, op.accepts_of(sample), arrays, names, strict=True):
        free = accepts in {"any", "same", "float", "number"}
        own = dtype if free and (operand.real or dtype in WHOLE) and not operand.truth else None
        if own == rg.bfloat16 and name in KEPT:
            own = rg.float32
        tensors.append(operand.laid_out(array, own) if layout else rg.tensor(array).to(own or rg.tensor(array).dtype))
    return tensors


@pytest.mark.parametrize(("op", "sample"), cases())
def test_forward(op: Op, sample: Sample) -> None:
    for dtype in dtypes_for(op, sample):
        tensors = operands(op, sample, dtype, sample.arrays())
        arrays = [as_array(t).copy() for t in tensors]
        if op.name in {"uniform", "normal"} and dtype != rg.float64:
            arrays[0] = arrays[0].astype(np.float32)  # How many bits a number gets depends on the dtype.
        try:
            outputs = run(op, tensors, sample.attributes)
        except NotImplementedError as error:
            assert op.name in str(error)
            assert dtype == rg.bfloat16, f"{dtype} must be supported: {error}"
            continue
        wanted = plain(op, arrays, sample.attributes)
        assert len(outputs) == len(wanted)
        for got, want in zip(outputs, wanted, strict=True):
            assert_close(got, want, TOLERANCE.get(got.dtype, TOLERANCE[rg.float32]))


@pytest.mark.parametrize(("op", "sample"), cases())
def test_memory_layout_changes_no_bit(op: Op, sample: Sample) -> None:
    if op.mutates:
        pytest.skip("takes its operands as they are")
    arrays = sample.arrays()
    dtype = rg.float32 if rg.float32 in dtypes_for(op, sample) else rg.int64
    straight = run(op, operands(op, sample, dtype, arrays, layout=False), sample.attributes)
    for variant in (laid_out_backwards, laid_out_with_gaps):
        tensors = [
            t if i < len(op.operands) and op.operands[i] == "lse" else variant(t)  # Always made by the engine itself.
            for i, t in enumerate(operands(op, sample, dtype, arrays, layout=False))
        ]
        for got, want in zip(run(op, tensors, sample.attributes), straight, strict=True):
            assert got.dtype == want.dtype
            assert bits(got) == bits(want)


def bits(t: Tensor) -> bytes:
    t = t.detach().contiguous()
    return (t.double() if t.dtype == rg.bfloat16 else t).numpy().tobytes()


def laid_out_backwards(t: Tensor) -> Tensor:
    """The same values with the order of the dimensions in memory reversed."""
    dims = list(reversed(range(t.ndim)))
    return t.permute(*dims).contiguous().permute(*dims) if t.ndim > 1 else t.clone()


def laid_out_with_gaps(t: Tensor) -> Tensor:
    """The same values, every other one of a larger tensor, starting at an odd element."""
    if t.ndim == 0:
        return rg.stack([t, t])[1]
    wide = rg.stack([t, t], dim=-1).flatten(-2)
    return wide[..., 1::2]


@pytest.mark.parametrize("op", [op for op in OPS if op.samples and not op.mutates], ids=lambda op: op.name)
def test_operands_are_not_written_to(op: Op) -> None:
    sample = op.samples[0]
    dtype = dtypes_for(op, sample)[0]
    tensors = operands(op, sample, dtype, sample.arrays())
    before = [as_array(t).copy() for t in tensors]
    run(op, tensors, sample.attributes)
    for t, a in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(as_array(t), a)
        assert t._version <= 2


# --- special values ---


@pytest.mark.parametrize(("op", "sample"), cases([op for op in OPS if not op.mutates]))
def test_nan_and_infinity(op: Op, sample: Sample) -> None:
    if not any(o.real for o in sample.operands) or any(o.positive and len(o.shape) == 1 for o in sample.operands):
        pytest.skip("no real operand to put them into")
    if op.name in SUMS_OF_PRODUCTS or op.name.startswith("linear"):
        pytest.skip("which NaN a sum of products gives depends on its order; see test_nan_spreads")
    rng = np.random.default_rng(1)
    for dtype in (rg.float32, rg.float64):
        if dtype not in dtypes_for(op, sample):
            continue
        arrays = sample.arrays()
        for i, operand in enumerate(sample.operands):
            if operand.real:
                # An activation's output, which its backward is given, is never infinite.
                choice = [0.0, 0.5, 1.0, float("nan")] if op.operands[:1] == ["output"] and i == 0 else SPECIAL
                arrays[i] = rng.choice(choice, operand.shape)
        tensors = operands(op, sample, dtype, arrays)
        outputs = run(op, tensors, sample.attributes)
        # In the dtype itself, so that it overflows where the kernel does.
        wanted = plain(op, [t.numpy() for t in tensors], sample.attributes)
        for got, want in zip(outputs, wanted, strict=True):
            if got.dtype.is_floating_point:
                np.testing.assert_allclose(as_array(got), want.astype(np.float64), rtol=TOLERANCE[got.dtype])
            elif op.name != "cast":  # What NaN becomes as an integer is nobody's promise.
                np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("name", ["matmul", "linear", "cross_entropy", "layer_norm", "softmax", "log_softmax"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_spreads(name: str, value: float) -> None:
    """One bad number makes its row bad, and no other."""
    op = next(op for op in OPS if op.name == name)
    sample = op.samples[0] if name != "cross_entropy" else next(s for s in op.samples if "none" in s.text)
    arrays = sample.arrays()
    arrays[0][1, 2] = value
    (first, *_) = run(op, operands(op, sample, rg.float32, arrays), sample.attributes)
    bad = ~np.isfinite(as_array(first)).reshape(len(arrays[0]), -1).all(axis=1)
    assert bad.tolist() == [i == 1 for i in range(len(arrays[0]))]


# --- derivatives ---


def reals(sample: Sample) -> list[int]:
    """The operands that have gradients."""
    return [i for i, operand in enumerate(sample.operands) if operand.real]


@pytest.mark.parametrize(("op", "sample"), cases([op for op in OPS if differentiable(op)]))
def test_gradients_are_the_references(op: Op, sample: Sample) -> None:
    places = reals(sample)
    if not places:
        pytest.skip("no real operand")
    reference = REFERENCES[op.name].backward
    assert reference is not None
    arrays = sample.arrays()
    tensors = operands(op, sample, rg.float64, arrays)
    leaves = [t.detach().requires_grad_() if i in places else t for i, t in enumerate(tensors)]
    y = run(op, leaves, sample.attributes)[0]
    if not y.dtype.is_floating_point:
        assert not y.requires_grad
        return
    weights = np.random.default_rng(3).standard_normal(tuple(y.shape))
    weight = rg.tensor(weights).to(y.dtype)
    got = rg.autograd.grad(y, [leaves[i] for i in places], weight, allow_unused=True)
    wanted = reference(as_array(weight), *arrays, **sample.attributes)
    tolerance = 1e-11 if y.dtype == rg.float64 else 1e-2
    for i, g in zip(places, got, strict=True):
        want = wanted[i]
        if want is None or g is None:
            assert want is None or not np.any(want), f"operand {i} has no gradient"
            assert g is None or not as_array(g).any(), f"operand {i} has a gradient"
        else:
            assert_close(g, want, tolerance)


@pytest.mark.parametrize(("op", "sample"), cases([op for op in OPS if differentiable(op)]))
def test_gradients_by_central_differences(op: Op, sample: Sample) -> None:
    places = reals(sample)
    if not places or sample.attributes.get("dtype", "float64") != "float64":
        pytest.skip("no function of float64")
    arrays = sample.arrays()

    def f(*values: Tensor) -> Tensor:
        tensors = [rg.tensor(a) for a in arrays]
        for i, value in zip(places, values, strict=True):
            tensors[i] = value
        return run(op, tensors, sample.attributes)[0]

    check_gradients(f, [arrays[i] for i in places], order=2)
