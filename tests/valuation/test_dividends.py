"""A batch taken apart: against coalitions one by one, and against the net's own values."""

from __future__ import annotations

from collections import defaultdict

import oracles.harsanyi as oracle
import pytest
import torch
from games import as_lists, coalitions, make_batch, make_net

from dvr_ray.valuation import PositionalValuator
from dvr_ray.valuation.dividends import dividends

SAMPLES = 5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("depth", [1, 3])
def test_units_are_the_harsanyi_dividends_of_their_fields(seed: int, depth: int) -> None:
    """Of every coalition, by inclusion and exclusion over the worths of its subsets."""
    net, batch = make_net(seed, depth=depth), make_batch(seed, SAMPLES)
    found = dividends(net, batch)
    with torch.no_grad():
        worths = (net.worth(batch, coalitions(SAMPLES)) * SAMPLES).tolist()
    paid: dict[int, float] = defaultdict(float)
    bits = 2 ** torch.arange(SAMPLES)
    for layer in range(depth):
        for unit in range(net.units):
            paid[int((found.fields[layer, :, unit] * bits).sum())] += float(
                found.units[layer, unit]
            )
    for sample in range(SAMPLES):
        paid[2**sample] += float(found.alone[sample])
    for coalition in range(1, 2**SAMPLES):
        assert oracle.dividend(worths, coalition) == pytest.approx(paid[coalition], abs=1e-11)


@pytest.mark.parametrize("units", [0, 5])
def test_parts_add_up_to_the_net_s_values(units: int) -> None:
    net, batch = make_net(3, units=units), make_batch(3, 40)
    with torch.no_grad():
        assert torch.allclose(dividends(net, batch).values, net(batch).values, atol=1e-12)


def test_parts_add_up_for_memberships_by_place() -> None:
    draws = torch.Generator().manual_seed(0)
    net = PositionalValuator(3, 5, 2, places=9, generator=draws, dtype=torch.float64)
    batch = make_batch(0, 7)
    found = dividends(net, batch)
    with torch.no_grad():
        assert torch.allclose(found.values, net(batch).values, atol=1e-12)
    assert found.values.tolist() == pytest.approx(
        oracle.values(as_lists(net), batch.tolist()), abs=1e-11
    )
