"""Weights for each place in the batch: exact by enumeration, the same for W workers."""

from __future__ import annotations

import oracles.harsanyi as oracle
import pytest
import torch
from games import as_lists, coalitions, make_batch
from gloo import run_group
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.errors import ConfigError
from dvr_ray.valuation import PositionalValuator

PLACES = 9


def make(seed: int, units: int = 5, depth: int = 2, children: int = 2) -> PositionalValuator:
    draws = torch.Generator().manual_seed(seed)
    net = PositionalValuator(3, units, depth, places=PLACES, children=children, generator=draws,
                             dtype=torch.float64)  # fmt: skip
    with torch.no_grad():
        for weights in (net.heads, net.singletons, net.biases):
            weights.copy_(torch.randn(weights.shape, generator=draws, dtype=torch.float64))
        if units > 1:
            net.thresholds[0] = 1e6
    return net


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(1, 3), st.integers(1, 8))
def test_values_are_the_shapley_values_of_the_loops(
    seed: int, units: int, depth: int, samples: int
) -> None:
    net, batch = make(seed, units, depth), make_batch(seed, samples)
    with torch.no_grad():
        found = net(batch)
        walked = net.worth(batch, coalitions(samples)).tolist()
    plain, rows = as_lists(net), batch.tolist()
    together = [{b for b in range(samples) if t >> b & 1} for t in range(2**samples)]
    assert walked == pytest.approx([oracle.worth(plain, rows, t) for t in together], abs=1e-12)
    assert found.shapley.tolist() == pytest.approx(oracle.shapley(walked), abs=1e-12)
    assert float(found.worth) == pytest.approx(walked[-1], abs=1e-12)


def test_values_go_with_the_place_and_not_with_the_sample() -> None:
    net, batch = make(0), make_batch(0, 6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = net(batch[order]).values
    assert not torch.allclose(moved, net(batch).values[order])


def terms(net: PositionalValuator, batch: Tensor, own: slice, group: Collective) -> Tensor:
    found = net(batch[own], group, len(batch))
    weights = torch.linspace(-1, 2, len(batch), dtype=batch.dtype)[own]
    return (weights * found.values.square()).sum() / len(batch) + found.worth.square() / group.size


def gradients(collective: Collective | None = None) -> list[Tensor]:
    """Gradients of all weights, summed over workers; shares are cut in order."""
    group = collective or TorchCollective()
    net, batch = make(1, units=6, depth=3), make_batch(1, 8)
    own = slice(8 * group.rank // group.size, 8 * (group.rank + 1) // group.size)
    terms(net, batch, own, group).backward()
    return [group.sum_(p.grad.clone()) for p in net.parameters() if p.grad is not None]


def test_two_workers_get_the_gradients_of_one() -> None:
    alone = gradients(OneProcess())
    assert any(float(found.abs().max()) > 0 for found in alone)
    for found in run_group(gradients, 2):
        for expected, own in zip(alone, found, strict=True):
            assert torch.allclose(own, expected, rtol=0, atol=1e-12)


def test_gradients_of_what_is_smooth_equal_finite_differences() -> None:
    net, batch = make(2, depth=1), make_batch(2, 7)
    terms(net, batch, slice(0, 7), OneProcess()).backward()
    for parameter in (net.weights, net.heads, net.singletons):
        assert parameter.grad is not None
        flat, step = parameter.detach().view(-1), 1e-6
        for place in range(0, len(flat), 7):
            before = float(flat[place])
            sides = []
            for sign in (1, -1):
                flat[place] = before + sign * step
                with torch.no_grad():
                    sides.append(float(terms(net, batch, slice(0, 7), OneProcess())))
            flat[place] = before
            expected = (sides[0] - sides[1]) / (2 * step)
            assert float(parameter.grad.view(-1)[place]) == pytest.approx(expected, abs=1e-6)
    assert net.gates.grad is not None and float(net.gates.grad.abs().sum()) > 0


def test_calibrated_memberships_are_spread() -> None:
    net, batch = make(3, units=5), make_batch(3, PLACES)
    net.calibrate(batch)
    scores, _ = net.scored(batch)
    rates = (scores > net.thresholds).double().mean(0)
    assert (rates.diff() >= 0).all() and rates[0] < 0.3 and rates[-1] > 0.7


def test_a_batch_larger_than_the_places_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most 9 known rows.*training\.batch_size"):
        make(0)(make_batch(0, PLACES + 1))
