"""Weights that a HarsanyiNet starts with."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["HIGHEST", "LOWEST", "axes", "chosen_children", "spread"]

LOWEST, HIGHEST = 0.02, 0.98
"""Rates of membership over which the thresholds of layer 1 are spread."""


def axes(units: int, gated: int, width: int, generator: torch.Generator | None) -> Tensor:
    """Gates (units, width) that each ask for one input, high or low, at random.

    Read along one input, a unit is a step: with thresholds spread, a few of them draw a curve.
    """
    gates = torch.zeros(units, width, dtype=torch.float64)
    place = torch.arange(units)
    signs = torch.randint(0, 2, (units,), generator=generator).to(gates) * 2 - 1
    gates[place, place % gated] = signs
    return gates


def spread(gates: Tensor) -> Tensor:
    """Thresholds that spread memberships for encodings of mean 0 and variance 1."""
    rates = torch.linspace(LOWEST, HIGHEST, len(gates), dtype=torch.float64)
    thresholds: Tensor = gates.norm(dim=1) * -torch.special.ndtri(rates)
    return thresholds.to(gates)


def chosen_children(
    layers: int, units: int, children: int, generator: torch.Generator | None
) -> Tensor:
    """Logits (layers, H, H): +1 for a few random children of each unit, -1 for all others."""
    drawn = torch.rand(layers, units, units, generator=generator)
    logits = torch.full((layers, units, units), -1.0)
    chosen: Tensor = logits.scatter_(2, drawn.topk(children, dim=2).indices, 1.0)
    return chosen
