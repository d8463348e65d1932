"""The ridge penalty that is chosen on held-out masks and users."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.weightings.shrinkage import PENALTIES, STRONGEST, HeldOut, Pulls, held_out
from dvr_ray.weightings.valuing import ValuingNet

ROWS, COLUMNS, INPUTS = 3000, 5, 3


def pulls(signal: float, noise: float, seed: int = 0) -> Pulls:
    """Rows whose marginal value is ``signal`` times the first input, seen with noise."""
    numbers = torch.Generator().manual_seed(seed)
    design = torch.randn(ROWS, COLUMNS, generator=numbers, dtype=torch.float64)
    fisher = torch.full((ROWS,), 0.21, dtype=torch.float64)
    blurred = noise * torch.randn(2, ROWS, generator=numbers, dtype=torch.float64)
    halves = fisher * (signal * design[:, 0] + blurred)
    side = torch.rand(ROWS, generator=numbers) < 0.5
    return Pulls(design, halves, fisher, side)


def by_rows(part: Pulls) -> HeldOut:
    """The same choice by sums over rows, one fold after the other."""
    explained = {
        (own, units): of_rows(part, [own] * INPUTS + [units] * (COLUMNS - INPUTS))
        for own, units in itertools.product(PENALTIES, (*PENALTIES, STRONGEST))
        if units >= own
    }
    alone = Pulls(part.design[:, :INPUTS], part.halves, part.fisher, part.side)
    without = max(of_rows(alone, [own] * INPUTS) for own in PENALTIES)
    energy = float((part.halves.square() / part.fisher).sum())
    most = max(explained.values())
    good = [both for both, found in explained.items() if found >= most - 0.05 * abs(most)]
    best = max(good, key=lambda both: both[0] * both[1])

    def root(found: float) -> float:
        return (abs(found) / energy) ** 0.5 * (1 if found > 0 else -1)

    inputs = (part.halves @ part.design)[:, :INPUTS]
    error = sum(float((a - b) ** 2) for a, b in zip(*inputs, strict=True)) / 4
    signal = sum(float(a * b) for a, b in zip(*inputs, strict=True)) / error
    return HeldOut(best, root(explained[best]), root(without), signal)


def of_rows(part: Pulls, penalties: list[float]) -> float:
    total = 0.0
    for side, half in itertools.product((True, False), (0, 1)):
        inside = part.side == side
        x, d = part.design[inside], part.fisher[inside]
        gram = x.T @ torch.diag(d) @ x
        shrunk = gram + gram.diagonal().mean() * torch.diag(torch.tensor(penalties).to(x))
        slope = torch.linalg.inv(shrunk) @ (x.T @ part.halves[half][inside])
        values = part.design[~inside] @ slope
        told = float((values * part.halves[1 - half][~inside]).sum())
        total += abs(told) * told / float((part.fisher[~inside] * values.square()).sum())
    return total


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 0.5), (0.1, 3.0), (0.0, 1.0)])
def test_moments_give_what_rows_give(signal: float, noise: float) -> None:
    part = pulls(signal, noise)
    expected = by_rows(part)
    blocks = [
        Pulls(part.design[at], part.halves[:, at], part.fisher[at], part.side[at])
        for at in torch.split(torch.arange(ROWS), 700)
    ]
    found = held_out(blocks, INPUTS)
    assert found.ridge == expected.ridge
    assert found.correlation == pytest.approx(expected.correlation, abs=1e-9)
    assert found.signal == pytest.approx(expected.signal, rel=1e-9)
    assert found.without_units == pytest.approx(expected.without_units, abs=1e-9)


def test_a_contrast_of_like_inputs_needs_a_weak_penalty_and_noise_a_strong_one() -> None:
    """Between independent inputs a penalty changes scale alone; like ones have a weak contrast."""

    def ridge(contrast: float, common: float, seed: int) -> float:
        part = pulls(0.0, 1.0, seed)
        like = part.design[:, :1] + 0.3 * part.design[:, 1:2]
        design = torch.cat([part.design[:, :1], like], dim=1)
        value = contrast * (design[:, 1] - design[:, 0]) / 0.3 + common * design[:, 0]
        return held_out(
            [Pulls(design, part.halves + part.fisher * value, part.fisher, part.side)], 2
        ).ridge[0]

    told = torch.tensor([ridge(1.0, 0.0, seed) for seed in range(10)])
    blurred = torch.tensor([ridge(0.0, 0.2, seed) for seed in range(10)])
    assert told.max() <= 0.1
    assert blurred.min() >= 3


def test_correlation_tells_signal_from_noise() -> None:
    assert held_out([pulls(1.0, 0.01)], COLUMNS).correlation == pytest.approx(1, abs=1e-3)
    blind = [held_out([pulls(0.0, 1.0, seed)], COLUMNS).correlation for seed in range(20)]
    assert max(blind) < 0.1


def test_units_count_where_they_say_more() -> None:
    """The signal is in the first column: once an input, once a membership."""
    part = pulls(1.0, 0.5)
    turned = Pulls(part.design.flip(1), part.halves, part.fisher, part.side)
    inputs, members = held_out([part], INPUTS), held_out([turned], INPUTS)
    assert inputs.without_units == pytest.approx(inputs.correlation, rel=0.05)
    assert members.without_units < 0.1 < 0.5 < members.correlation


def test_without_anything_to_explain_the_strongest_are_taken() -> None:
    part = pulls(0.0, 0.0)
    assert held_out([part], INPUTS) == HeldOut((PENALTIES[-1], STRONGEST), 0.0, 0.0, 0.0)


def test_a_net_of_singletons_learns_the_ridge_solution() -> None:
    """Of mean(D phi^2 - 2 phi N) / mean(D) + ridge |w|^2, in closed form."""
    config = RunConfig.model_validate(
        {"valuator": {"units": 0, "lr": 1e-2}, "training": {"dtype": "float64"}}
    )
    net = ValuingNet(config, COLUMNS, OneProcess(), torch.device("cpu"))
    part, ridge = pulls(1.0, 0.5), 0.7
    pull = part.halves.mean(0)
    for _ in range(1200):
        valuation = net(part.design, ROWS)
        fit = (part.fisher * valuation.values.square() - 2 * valuation.values * pull).mean()
        net.step(fit / part.fisher.mean(), ridge * valuation.energy.sum())
    x = net.design(part.design)
    size = ridge * part.fisher.sum() * torch.eye(COLUMNS + 1, dtype=torch.float64)
    slope = torch.linalg.solve((x.T * part.fisher) @ x + size, x.T @ pull)
    assert torch.allclose(net.value(part.design, ROWS).values, x @ slope, atol=2e-3)


def test_the_design_is_what_values_are_linear_in() -> None:
    """Least squares on the design leave nothing; memberships have the sd of an input."""
    config = RunConfig.model_validate({"training": {"dtype": "float64"}})
    net = ValuingNet(config, COLUMNS, OneProcess(), torch.device("cpu"))
    inputs = pulls(0.0, 0.0).design
    net.calibrate(inputs, 0.3)
    with torch.no_grad():
        net.valuator.heads.normal_(generator=torch.Generator().manual_seed(3))
    design: Tensor = net.design(inputs)
    values = net(inputs, ROWS).values.detach()
    slope = torch.linalg.pinv(design) @ values
    assert torch.allclose(design @ slope, values, atol=1e-8)
    members = design[:, COLUMNS + 1 :]
    assert torch.allclose(members.std(0, correction=0), torch.ones_like(members[0]))
