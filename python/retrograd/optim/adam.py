"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from retrograd import _core
from retrograd.optim._checks import at_least_zero, number, pair, refuse
from retrograd.optim.group import Layout, ParamGroup
from retrograd.optim.optimizer import Optimizer, Params

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    `m = beta1*m + (1-beta1)*g`, `v = beta2*v + (1-beta2)*g*g`,
    `p -= lr/(1-beta1**t) * m / (sqrt(v)/sqrt(1-beta2**t) + eps)`. Weight decay adds `weight_decay*p` to g first.
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015. Every 16 steps an m below the smallest normal
    number becomes zero, and so does a v whose root cannot be seen beside eps: they would only slow the step.

    `foreach` and `fused` are accepted and change nothing: the update is always fused; `capturable` too: a step can
    always be recorded by `retrograd.compile`.

    Raises:
        ValueError: for a negative lr, eps or weight decay, or a beta outside [0, 1).
        NotImplementedError: for `amsgrad=True` and `differentiable=True`.
    """

    layout: ClassVar[Layout] = {"lr": number, "betas": pair, "eps": number, "weight_decay": number}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,  # noqa: ARG002
        maximize: bool = False,
        capturable: bool = False,  # noqa: ARG002
        differentiable: bool = False,
        fused: bool | None = None,  # noqa: ARG002
        decoupled_weight_decay: bool = False,
    ) -> None:
        refuse(
            self._name,
            ("amsgrad", amsgrad, "leave it out"),
            ("differentiable", differentiable, "leave it out"),
        )
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": False,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, group: Mapping[str, Any]) -> None:
        """Raises ValueError for a hyperparameter out of range."""
        for name in ("lr", "eps", "weight_decay"):
            at_least_zero(self._name, name, group[name])
        for i, beta in enumerate(group["betas"]):
            if not 0 <= beta < 1:
                raise ValueError(f"{self._name}: betas[{i}] must be at least 0 and less than 1, got {beta}")
        refuse(self._name, ("amsgrad", group["amsgrad"], "leave it out"))

    def update(self, group: ParamGroup) -> None:
        """One step along the gradients."""
        _core.adam_step(
            self.state,
            group["params"],
            group.hyper,
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )


class AdamW(Adam):
    """Adam with weight decay taken out of the gradient: `p -= lr*weight_decay*p` before the step.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019. Arguments and errors are those of `Adam`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
