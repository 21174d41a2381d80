"""Gradients: `grad`, and the switches that turn recording on and off."""

from __future__ import annotations

from retrograd._core import enable_grad, grad, is_grad_enabled, no_grad, set_grad_enabled

__all__ = ["enable_grad", "grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]
