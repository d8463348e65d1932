"""Initial weights of layers, drawn from the generator that is handed in."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["xavier"]


def xavier(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    """Draw a matrix uniformly within ``sqrt(6 / (rows + columns))``.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, eq. 16.
    """
    bound = (6 / (rows + columns)) ** 0.5
    return nn.Parameter((2 * torch.rand(rows, columns, generator=generator) - 1) * bound)
