"""Hard choices of children with a straight-through gradient.

Forward is the step 1[x > 0]; backward uses the derivative of the logistic function. In trials
neither the shape nor the slope of such a surrogate mattered. Memberships of samples, of which
there are B x H, have a cheaper surrogate of their own (`dvr_ray.valuation.fields`).

Source: HarsanyiNet (arXiv 2304.01811), whose slope (beta) is 10.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["gate"]


class _Gate(torch.autograd.Function):
    """1[x > 0] as numbers, with the logistic function's derivative."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        """Step; any shape."""
        ctx.save_for_backward(logits)
        return (logits > 0).to(logits)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        """Scale the gradient by p (1 - p), p = sigmoid(x)."""
        (logits,) = ctx.saved_tensors
        opened = torch.sigmoid(logits)
        return upstream * opened * (1 - opened)


def gate(logits: Tensor) -> Tensor:
    """Step function, 0 or 1, of any shape, with a straight-through gradient."""
    opened: Tensor = _Gate.apply(logits)  # type: ignore[no-untyped-call]
    return opened
