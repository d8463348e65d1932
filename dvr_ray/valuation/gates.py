"""Hard gates with a straight-through gradient.

Forward is the step function 1[x > 0]; backward uses the derivative of a line of slope one on
(-1, 1), and 0 beyond. In trials neither the shape nor the slope of the surrogate mattered; the box
is the cheapest.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["gate"]


class _Gate(torch.autograd.Function):
    """1[x > 0] as numbers, with the box as derivative."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        """Step; any shape."""
        ctx.save_for_backward(logits.abs() < 1)
        return (logits > 0).to(logits)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        """Pass the gradient where |x| < 1."""
        (near,) = ctx.saved_tensors
        return upstream * near



def gate(logits: Tensor) -> Tensor:
    """Step function, 0 or 1, of any shape, with a straight-through gradient."""
    opened: Tensor = _Gate.apply(logits)
    return opened
