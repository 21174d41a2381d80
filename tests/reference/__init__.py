"""Every op, layer, loss and optimizer again, in plain NumPy and float64, forward and backward.

Written from the formulas, not from the engine: what both agree on is not one mistake made twice by copying. The sweep
(`test_ops.py`) fails when the engine lists an op that has no reference here.
"""

from reference import (
    activation,
    draw,
    index,
    linalg,
    loss,
    memory,
    norm,
    optim,
    pointwise,
    reduce,
    select,
    shape,
    softmax,
)
from reference.registry import REFERENCES, Reference

__all__ = [
    "REFERENCES",
    "Reference",
    "activation",
    "draw",
    "index",
    "linalg",
    "loss",
    "memory",
    "norm",
    "optim",
    "pointwise",
    "reduce",
    "select",
    "shape",
    "softmax",
]
