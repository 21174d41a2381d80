"""SGD: stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from retrograd import _core
from retrograd.optim._checks import at_least_zero, number, refuse
from retrograd.optim.group import Layout, ParamGroup
from retrograd.optim.optimizer import Optimizer, Params

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent: `p -= lr * g`, with momentum, dampening, Nesterov's rule and weight decay.

    With momentum, `buf = momentum*buf + (1-dampening)*g` (in the first step `buf = g`) stands for g, or with `nesterov`
    `g + momentum*buf`. Weight decay adds `weight_decay*p` to g first. Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013. Every 16 steps a buf below the smallest normal number becomes
    zero.

    `foreach` and `fused` are accepted and change nothing: the update is always fused.

    Raises:
        ValueError: for a negative lr, momentum or weight decay, or nesterov without momentum or with dampening.
        NotImplementedError: for `differentiable=True`.
    """

    layout: ClassVar[Layout] = {"lr": number, "momentum": number, "dampening": number, "weight_decay": number}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,  # noqa: ARG002
        differentiable: bool = False,
        fused: bool | None = None,  # noqa: ARG002
    ) -> None:
        refuse("SGD", ("differentiable", differentiable, "leave it out"))
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Mapping[str, Any]) -> None:
        """Raises ValueError for a hyperparameter out of range."""
        for name in ("lr", "momentum", "weight_decay"):
            at_least_zero("SGD", name, group[name])
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and no dampening")

    def update(self, group: ParamGroup) -> None:
        """One step along the gradients."""
        _core.sgd_step(
            self.state,
            group["params"],
            group.hyper,
            momentum=group["momentum"] != 0,
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
