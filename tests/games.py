"""Small valuators with everything in them: dead units, empty units, biases, odd children."""

from __future__ import annotations

import torch
from oracles.harsanyi import Net
from torch import Tensor

from dvr_ray.valuation import HarsanyiValuator

__all__ = ["as_lists", "coalitions", "make_batch", "make_net"]


def make_net(
    seed: int,
    *,
    width: int = 3,
    units: int = 5,
    depth: int = 2,
    children: int = 2,
    bias: bool = True,
    spoilt: bool = True,
    dtype: torch.dtype = torch.float64,
) -> HarsanyiValuator:
    """Make a net whose weights are all generic.

    ``spoilt`` makes unit 0 of layer 1 empty (an unreachable threshold), the last unit of each layer
    dead (a bias far below 0) where there is a bias, and leaves unit 0 of each deeper layer without
    children and unit 1 with empty or childless ones alone.
    """
    generator = torch.Generator().manual_seed(seed)
    net = HarsanyiValuator(
        width, units, depth, children=children, bias=bias, generator=generator, dtype=dtype
    )
    with torch.no_grad():
        for weights in (net.gates, net.weights, net.heads, net.singletons):
            weights.copy_(torch.randn(weights.shape, generator=generator, dtype=dtype))
        if bias:
            net.biases.copy_(torch.randn(net.biases.shape, generator=generator, dtype=dtype))
        if spoilt and units:
            _spoil(net, bias)
    return net


def _spoil(net: HarsanyiValuator, bias: bool) -> None:
    net.thresholds[0] = 1e6
    if bias and net.units > 1:
        net.biases[:, -1] = -1e6
    if net.units > 2:
        net.child_logits[:, :2] = -1.0
        net.child_logits[:, 1, 0] = 1.0


def make_batch(seed: int, samples: int, width: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(samples, width, generator=generator, dtype=torch.float64)


def as_lists(net: HarsanyiValuator) -> Net:
    """Weights for the oracle."""
    return Net(**{name: parameter.tolist() for name, parameter in net.named_parameters()})


def coalitions(players: int) -> Tensor:
    """All 2^n coalitions, bool (2^n, n); row t holds the bits of t."""
    return (torch.arange(2**players)[:, None] >> torch.arange(players)) & 1 == 1
