"""Weights that a HarsanyiNet starts with."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["axes", "chosen_children", "rates", "spread"]

LOWEST = 0.02
"""Rates of membership keep this far from 0 or from 1, unless their mean is nearer."""


def axes(units: int, gated: int, width: int, generator: torch.Generator | None) -> Tensor:
    """Gates (units, width) that each ask for one input, high or low, at random.

    Read along one input, a unit is a step: with thresholds spread, a few of them draw a curve.
    """
    gates = torch.zeros(units, width, dtype=torch.float64)
    place = torch.arange(units)
    signs = torch.randint(0, 2, (units,), generator=generator).to(gates) * 2 - 1
    gates[place, place % gated] = signs
    return gates


def rates(units: int, mean: float) -> Tensor:
    """Shares of a batch that the units of layer 1 start with (units,), evenly spread round a mean.

    A mean of one half spreads them over 2% to 98%, another one as far as this lets it.
    """
    low = min(LOWEST, mean) if mean <= 0.5 else 2 * mean - max(1 - LOWEST, mean)
    return torch.linspace(low, 2 * mean - low, units, dtype=torch.float64)


def spread(gates: Tensor, mean: float) -> Tensor:
    """Thresholds that spread memberships for encodings of mean 0 and variance 1."""
    wanted = rates(len(gates), mean)
    thresholds: Tensor = gates.norm(dim=1) * -torch.special.ndtri(wanted)
    return thresholds.to(gates)


def chosen_children(
    layers: int, units: int, children: int, generator: torch.Generator | None
) -> Tensor:
    """Logits (layers, H, H): +1 for a few random children of each unit, -1 for all others."""
    drawn = torch.rand(layers, units, units, generator=generator)
    logits = torch.full((layers, units, units), -1.0)
    chosen: Tensor = logits.scatter_(2, drawn.topk(children, dim=2).indices, 1.0)
    return chosen
