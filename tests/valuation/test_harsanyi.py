"""The values are exact for the game of the batch, whatever the net looks like."""

from __future__ import annotations

import oracles.harsanyi as oracle
import pytest
import torch
from games import as_lists, coalitions, make_batch, make_net
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dvr_ray.valuation import HarsanyiValuator, Valuation, fields

NETS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "units": st.integers(0, 6),
        "depth": st.integers(1, 4),
        "children": st.integers(1, 6),
        "bias": st.booleans(),
        "spoilt": st.booleans(),
    }
)


def value(net: HarsanyiValuator, batch: Tensor) -> Valuation:
    with torch.no_grad():
        valuation: Valuation = net(batch)
    return valuation


def worths(net: HarsanyiValuator, batch: Tensor) -> list[float]:
    """Worth of all coalitions through the valuator's open-or-shut walk."""
    with torch.no_grad():
        found: list[float] = net.worth(batch, coalitions(len(batch))).tolist()
    return found


def root_mean_square(a: Tensor, b: list[float]) -> float:
    return float((a - torch.tensor(b, dtype=a.dtype)).square().mean().sqrt())


@settings(deadline=None, max_examples=60)
@given(NETS, st.integers(1, 8))
def test_values_and_worth_equal_the_loops(options: dict[str, int], samples: int) -> None:
    net, batch = make_net(**options), make_batch(options["seed"], samples)
    plain, rows = as_lists(net), batch.tolist()
    valuation = value(net, batch)
    assert valuation.values.tolist() == pytest.approx(oracle.values(plain, rows), abs=1e-11)
    total = oracle.worth(plain, rows, set(range(samples)))
    assert float(valuation.worth) == pytest.approx(total, abs=1e-12)
    assert torch.equal(valuation.shapley * samples, valuation.values) or torch.allclose(
        valuation.shapley * samples, valuation.values, rtol=1e-15, atol=0
    )


@settings(deadline=None, max_examples=25)
@given(NETS, st.integers(1, 5))
def test_worth_of_every_coalition_equals_the_loops(options: dict[str, int], samples: int) -> None:
    net, batch = make_net(**options), make_batch(options["seed"], samples)
    plain, rows = as_lists(net), batch.tolist()
    expected = [
        oracle.worth(plain, rows, {b for b in range(samples) if t >> b & 1})
        for t in range(2**samples)
    ]
    assert worths(net, batch) == pytest.approx(expected, abs=1e-12)
    one = net.worth(batch, torch.ones(samples, dtype=torch.bool))
    assert one.shape == () and float(one.detach()) == pytest.approx(expected[-1], abs=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (12, {"units": 8, "children": 2}),
        (9, {"units": 6, "children": 1}),
        (9, {"units": 6, "children": 6}),
        (8, {"units": 6, "children": 3, "bias": False}),
        (8, {"units": 6, "children": 2, "spoilt": False}),
        (3, {"units": 12, "children": 2}),
    ],
)
def test_values_equal_brute_force_over_all_coalitions(
    depth: int, samples: int, options: dict[str, int]
) -> None:
    """The yardstick of `methods.md` 5: RMSE below 1e-12 in float64 for up to 12 players."""
    for seed in range(2):
        net = make_net(seed, depth=depth, **options)
        batch = make_batch(seed, samples)
        expected = oracle.shapley(worths(net, batch))
        assert max(map(abs, expected)) > 1e-3
        assert root_mean_square(value(net, batch).shapley, expected) < 1e-12


@settings(deadline=None, max_examples=40)
@given(NETS, st.integers(1, 300))
def test_values_sum_to_worth(options: dict[str, int], samples: int) -> None:
    net, batch = make_net(**options), make_batch(options["seed"], samples)
    valuation = value(net, batch)
    assert float(valuation.shapley.sum()) == pytest.approx(float(valuation.worth), abs=1e-11)
    everybody = net.worth(batch, torch.ones(samples, dtype=torch.bool)).detach()
    nobody = net.worth(batch, torch.zeros(samples, dtype=torch.bool)).detach()
    assert float(valuation.worth) == pytest.approx(float(everybody), abs=1e-11)
    assert float(nobody) == 0


def test_equal_samples_get_equal_values() -> None:
    net, batch = make_net(1, depth=3), make_batch(1, 9)
    batch[5] = batch[2]
    values = value(net, batch).values
    assert float(values[5]) == pytest.approx(float(values[2]), abs=1e-13)
    assert abs(float(values[5] - values[3])) > 1e-6


def test_a_sample_of_no_field_gets_its_singleton_and_nothing_without_one() -> None:
    """Thresholds are positive, so an encoding of zeros is a member of no unit and a(0) = 0."""
    net, batch = make_net(2, depth=2, spoilt=False), make_batch(2, 8)
    with torch.no_grad():
        net.thresholds.abs_()
    batch[4] = 0
    values = value(net, batch).values
    assert float(values[4]) == 0
    assert values.count_nonzero() == 7
    table = worths(net, batch)
    assert all(table[t | 1 << 4] == pytest.approx(table[t], abs=1e-14) for t in range(256))


def test_the_game_is_not_additive() -> None:
    """Two samples that form one unit: the pair's dividend is v_u z_u / B, none is the single's."""
    net = HarsanyiValuator(2, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        net.gates.copy_(torch.tensor([[0.0, 1.0]]))
        net.thresholds.fill_(0.5)
        net.weights.copy_(torch.tensor([[2.0, 1.0]]))
        net.biases.fill_(-1.0)
        net.heads.fill_(3.0)
        net.singletons.copy_(torch.tensor([0.5, 0.0]))
    batch = torch.tensor([[1.0, 1.0], [0.5, 1.0], [4.0, 0.0]], dtype=torch.float64)
    table = worths(net, batch)
    # z = relu(2 (1 + .5) + 2 - 1) = 4, d = 12; singletons .5, .25, 2; B = 3.
    assert oracle.dividend(table, 0b011) == pytest.approx(12 / 3)
    assert oracle.dividend(table, 0b001) == pytest.approx(0.5 / 3)
    for coalition in (0b101, 0b110, 0b111):
        assert oracle.dividend(table, coalition) == pytest.approx(0, abs=1e-15)
    assert value(net, batch).values.tolist() == pytest.approx([6.5, 6.25, 2.0])


def test_dividends_live_on_unions_of_childrens_fields() -> None:
    """A unit over the fields {0, 1} and {1, 2} pays 0, 1 and 2 a third each, not 1 alone."""
    net = HarsanyiValuator(2, 2, 2, singletons=True, dtype=torch.float64)
    with torch.no_grad():
        net.gates.copy_(torch.eye(2))
        net.thresholds.fill_(0.5)
        net.weights.fill_(1.0)
        net.child_logits.copy_(torch.tensor([[[1.0, 1.0], [-1.0, -1.0]]]))
        net.child_weights.fill_(1.0)
        net.heads.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        net.singletons.zero_()
    batch = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    # z = (1 + 2) + (2 + 1) = 6, shared by three; the second unit has no children and is empty.
    assert value(net, batch).values.tolist() == pytest.approx([2.0, 2.0, 2.0, 0.0])
    assert oracle.shapley(worths(net, batch)) == pytest.approx([0.5, 0.5, 0.5, 0.0])


@settings(deadline=None, max_examples=25)
@given(NETS, st.integers(2, 60))
def test_permuting_the_batch_permutes_the_values(options: dict[str, int], samples: int) -> None:
    net, batch = make_net(**options), make_batch(options["seed"], samples)
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(options["seed"]))
    straight, moved = value(net, batch), value(net, batch[order])
    torch.testing.assert_close(moved.values, straight.values[order], rtol=0, atol=1e-11)


@pytest.mark.parametrize("samples", [0, 1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("units", [0, 1, 7])
def test_any_batch_size_is_valued(samples: int, units: int) -> None:
    net = make_net(3, units=units, depth=3, spoilt=False)
    valuation = value(net, make_batch(3, samples))
    assert valuation.values.shape == (samples,)
    assert valuation.coverage.shape == valuation.dead.shape == (3,)
    assert torch.isfinite(valuation.worth)
    assert float(valuation.shapley.sum()) == pytest.approx(float(valuation.worth), abs=1e-12)


def test_without_units_values_are_the_singletons() -> None:
    net, batch = make_net(4, units=0), make_batch(4, 6)
    assert torch.equal(value(net, batch).values, batch @ net.singletons.detach())


@pytest.mark.parametrize(("cached", "kept"), [(64 * 8, 2**27), (64 * 8, 0), (2**20, 0)])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, cached: int, kept: int) -> None:
    net, batch = make_net(5, units=6, depth=3), make_batch(5, 700)
    expected = value(net, batch)
    monkeypatch.setattr(fields, "CACHED", cached)
    monkeypatch.setattr(fields, "KEPT", kept)
    found = value(net, batch)
    torch.testing.assert_close(found.values, expected.values, rtol=0, atol=1e-11)
    assert torch.equal(found.coverage, expected.coverage)


def test_a_given_total_takes_the_place_of_the_count() -> None:
    net, batch = make_net(6), make_batch(6, 5)
    counted, given_total = value(net, batch), net(batch, total=10)
    assert torch.equal(counted.values, given_total.values)
    torch.testing.assert_close(counted.shapley, 2 * given_total.shapley)


def test_monitors_count_fields_and_dead_units() -> None:
    net, batch = make_net(7, units=6, depth=3), make_batch(7, 11)
    plain, rows, valuation = as_lists(net), batch.tolist(), value(net, batch)
    everybody = set(range(11))
    for layer in range(3):
        outputs = [oracle.output(plain, rows, layer, unit, everybody) or 0.0 for unit in range(6)]
        speaking = [unit for unit in range(6) if outputs[unit] > 0]
        covered = [len(oracle.field(plain, rows, layer, unit)) / 11 for unit in speaking]
        expected = sum(covered) / len(covered) if covered else 0.0
        assert float(valuation.dead[layer]) == pytest.approx(1 - len(speaking) / 6)
        assert float(valuation.coverage[layer]) == pytest.approx(expected)
    assert 0 < float(valuation.dead[0]) < 1


def test_energy_is_the_sum_of_every_terms_variance() -> None:
    """Of inputs of variance 1, a singleton's weight; of a unit, its share times a 0/1 variable."""
    net, batch = make_net(5, units=6, depth=2), make_batch(5, 40)
    plain, rows, everybody = as_lists(net), batch.tolist(), set(range(40))
    units = 0.0
    for layer, heads in enumerate(plain.heads):
        for unit, head in enumerate(heads):
            inside = oracle.field(plain, rows, layer, unit)
            if inside:
                paid = head * (oracle.output(plain, rows, layer, unit, everybody) or 0.0)
                rate = len(inside) / 40
                units += (paid / len(inside)) ** 2 * rate * (1 - rate)
    own = sum(weight**2 for weight in plain.singletons)
    assert value(net, batch).energy.tolist() == pytest.approx([own, units])


def test_a_sub_batch_is_another_game() -> None:
    """v(T) keeps the whole batch's memberships; valuing T alone gates anew."""
    net, batch = make_net(10), make_batch(8, 6)
    present = torch.tensor([True, True, True, False, False, False])
    within = float(net.worth(batch, present).detach()) * 6
    anew = float(value(net, batch[:3]).worth) * 3
    assert abs(within - anew) > 1e-3
