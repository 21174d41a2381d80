"""Layers and models, with torch's names, argument orders, defaults and `state_dict` keys."""

from __future__ import annotations

from retrograd import _core
from retrograd._core import Parameter
from retrograd.nn import functional, init
from retrograd.nn.activation import (
    ELU,
    GELU,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from retrograd.nn.container import ModuleList, Sequential
from retrograd.nn.dropout import Dropout
from retrograd.nn.flatten import Flatten
from retrograd.nn.linear import Identity, Linear
from retrograd.nn.loss import CrossEntropyLoss, MSELoss
from retrograd.nn.module import Module
from retrograd.nn.normalization import LayerNorm

__all__ = [
    "ELU",
    "GELU",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Hardtanh",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "functional",
    "init",
]

# Sequential calls these layers without going through Python.
_core.know_forwards(Linear.forward, ReLU.forward, Sigmoid.forward, Tanh.forward)
