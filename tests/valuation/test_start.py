"""How a valuator starts: its weights, and thresholds that spread the memberships."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from games import make_batch, make_net

from dvr_ray.errors import ConfigError
from dvr_ray.valuation import HarsanyiValuator


def test_default_thresholds_spread_memberships_of_unit_variance_encodings() -> None:
    """Rates are spread evenly over .02 to .98; 20,000 draws have a standard error of .0035."""
    net = HarsanyiValuator(6, 25, 1, generator=torch.Generator().manual_seed(0))
    batch = torch.randn(20_000, 6, generator=torch.Generator().manual_seed(1))
    rates = (batch @ net.gates.T > net.thresholds).float().mean(0)
    assert (rates - torch.linspace(0.02, 0.98, 25)).abs().max() < 4 * 0.0036


def test_calibration_spreads_memberships_of_any_encodings() -> None:
    net = make_net(9, units=20, spoilt=False)
    batch = make_batch(9, 500).exp() * 30 + 4
    net.calibrate(batch)
    rates = (batch @ net.gates.T > net.thresholds).double().mean(0)
    assert (rates - torch.linspace(0.02, 0.98, 20)).abs().max() < 1 / 500 + 1e-9


@pytest.mark.parametrize(
    ("mean", "lowest"), [(0.1, 0.02), (0.01, 0.01), (0.7, 0.42), (0.995, 0.995)]
)
def test_member_rate_is_the_mean_share_of_a_batch_in_a_unit(mean: float, lowest: float) -> None:
    """Units are spread evenly round the mean, at most to 2% and 98% where it lies between."""
    net = HarsanyiValuator(
        6, 16, 1, member_rate=mean, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    batch = make_batch(9, 2000, 6)
    net.calibrate(batch)
    rates = net.members(batch).double().mean(0)
    assert abs(float(rates.mean()) - mean) < 1 / 2000
    wanted = torch.linspace(lowest, 2 * mean - lowest, 16, dtype=torch.float64)
    assert (rates - wanted).abs().max() < 1 / 2000 + 1e-9


def test_calibration_never_cuts_through_ties() -> None:
    """Three kinds of rows: whole kinds are members or not, and no score lies on a threshold."""
    net = make_net(10, units=20, spoilt=False)
    kinds = make_batch(10, 3)
    batch = kinds.repeat(50, 1)
    net.calibrate(batch)
    gaps = ((kinds @ net.gates.T - net.thresholds).abs() / net.gates.norm(dim=1)).detach()
    assert gaps.min() > 1e-3
    counts = (batch @ net.gates.T > net.thresholds).sum(0)
    assert set(counts.tolist()) == {50, 100}


def test_calibration_leaves_what_can_not_be_told_apart() -> None:
    net = make_net(11, spoilt=False)
    before = net.thresholds.clone()
    net.calibrate(make_batch(11, 1))
    net.calibrate(torch.ones(50, 3, dtype=torch.float64))
    net.calibrate(torch.ones(0, 3, dtype=torch.float64))
    assert torch.equal(net.thresholds, before)


def test_weight_decay_moves_no_membership() -> None:
    """Decay shrinks gates and thresholds alike, and a member stays one."""
    net, batch = make_net(12), make_batch(12, 50)
    before = batch @ net.gates.T > net.thresholds
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=10)
    for _ in range(50):
        for parameter in net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
    assert net.gates.norm() < 0.3 * make_net(12).gates.norm()
    assert torch.equal(batch @ net.gates.T > net.thresholds, before)


def test_same_seed_same_weights() -> None:
    nets = [
        HarsanyiValuator(4, 6, 3, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    first, again, other = (list(net.parameters()) for net in nets)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_initial_weights_have_the_stated_spread() -> None:
    """sd of an estimated sd is sd / sqrt(2 n)."""
    width, units = 40, 200
    net = HarsanyiValuator(width, units, 2, generator=torch.Generator().manual_seed(0))
    stated = {"heads": 1 / units, "singletons": 0.01}
    for name, sd in stated.items():
        drawn = getattr(net, name).detach().flatten()
        assert abs(float(drawn.std()) / sd - 1) < 4 / math.sqrt(2 * len(drawn)), name
    assert torch.equal((net.child_logits > 0).sum(2), torch.full((1, units), 2))
    assert not net.biases.any()


def test_units_start_along_single_inputs_of_either_sign() -> None:
    net = HarsanyiValuator(7, 70, 1, generator=torch.Generator().manual_seed(0))
    gates = net.gates.detach()
    assert torch.equal((gates != 0).sum(1), torch.ones(70, dtype=torch.int64))
    assert torch.equal(gates.abs().sum(0), torch.full((7,), 10.0))
    assert 20 < int((gates > 0).sum()) < 50


def test_no_unit_starts_silent() -> None:
    net = HarsanyiValuator(6, 60, 1, generator=torch.Generator().manual_seed(0))
    batch = make_batch(3, 4000, 6).float()
    batch = batch - batch.mean(0)
    net.calibrate(batch)
    assert float(net(batch).dead[0]) == 0


@pytest.mark.parametrize(("bias", "singletons"), list(itertools.product([True, False], repeat=2)))
def test_switched_off_parts_stay_at_zero(bias: bool, singletons: bool) -> None:
    net = HarsanyiValuator(3, 4, 2, bias=bias, singletons=singletons)
    assert net.biases.requires_grad is bias
    assert net.singletons.requires_grad is singletons
    assert bool(net.singletons.any()) is singletons


def test_a_valuator_with_nothing_to_learn_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"valuator\.units: must be >= 1 .*, got 0; "):
        HarsanyiValuator(3, 0, 1, singletons=False)
