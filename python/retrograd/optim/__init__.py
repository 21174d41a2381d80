"""Optimizers, with torch's names, defaults and formulas; each update is one fused pass over memory in Rust."""

from __future__ import annotations

from retrograd.optim.adam import Adam, AdamW
from retrograd.optim.optimizer import Optimizer, ParamGroup
from retrograd.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "ParamGroup"]
