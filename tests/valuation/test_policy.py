"""Probabilities stay in bounds, hold the keep-rate and pass the right gradient."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dvr_ray.config.schema import PolicyConfig
from dvr_ray.valuation import SelectionPolicy
from dvr_ray.valuation.policy import draw, entropy, highest, log_prob

NORMALISATIONS = ["sigmoid", "centred", "minmax"]


def make_policy(**options: Any) -> SelectionPolicy:
    policy = SelectionPolicy(PolicyConfig(**options))
    policy.observe(make_values(50))
    return policy


def make_values(count: int, seed: int = 0, scale: float = 0.1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64) * scale


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(NORMALISATIONS),
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30),
    st.floats(0.0, 0.4),
    st.floats(0.6, 1.0),
)
def test_probabilities_stay_in_bounds_and_rise_with_value(
    kind: str, values: list[float], low: float, high: float
) -> None:
    policy = SelectionPolicy(PolicyConfig(normalisation=kind, bounds=(low, high)))  # type: ignore[arg-type]
    p = policy.probabilities(torch.tensor(values, dtype=torch.float64))
    assert p.min() >= low - 1e-12 and p.max() <= high + 1e-12
    order = torch.tensor(values, dtype=torch.float64).argsort()
    assert (p[order].diff() >= -1e-12).all()


@pytest.mark.parametrize("kind", NORMALISATIONS)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.3, 0.75)])
def test_gradient_equals_finite_differences(kind: str, bounds: tuple[float, float]) -> None:
    """Through the mean and the shift, and through smallest and largest value, too.

    The keep-rate is .6 so that it can be reached within both bounds. Narrow bounds clamp some
    values and not others, which the test makes sure of.
    """
    policy = make_policy(normalisation=kind, bounds=bounds, keep_rate=0.6, temperature=1.5)
    values = make_values(9, seed=3).requires_grad_()
    p = policy.probabilities(values).detach()
    clamped = (p == bounds[0]) | (p == bounds[1])
    assert bool(clamped.any()) is (bounds != (0.0, 1.0) or kind == "minmax")
    steps = torch.linspace(-1, 1, 9, dtype=torch.float64)
    if kind == "minmax" and bounds == (0.0, 1.0):
        # At 0 and 1 themselves the clamp has a kink; the sum of squares over the rest is smooth.
        ends = torch.tensor([int(values.argmin()), int(values.argmax())])
        steps[ends] = 0.0
    assert torch.autograd.gradcheck(
        lambda v: (steps * policy.probabilities(v)).sum(), (values,), eps=1e-7, atol=1e-6
    )
    slope = torch.autograd.grad((steps * policy.probabilities(values)).sum(), values)[0]
    assert slope.count_nonzero() >= 3


@pytest.mark.parametrize("keep_rate", [0.1, 0.5, 0.8, 0.9])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_centred_reaches_the_keep_rate(keep_rate: float, scale: float, dtype: torch.dtype) -> None:
    policy = make_policy(normalisation="centred", keep_rate=keep_rate)
    p = policy.probabilities((make_values(500, scale=scale) + 7 * scale).to(dtype))
    tolerance = 1e-9 if dtype == torch.float64 else 2e-5
    assert float(p.mean()) == pytest.approx(keep_rate, abs=tolerance)


@given(st.integers(1, 60), st.floats(0, 1), st.integers(1, 5))
def test_the_rows_of_highest_value(rows: int, share: float, kinds: int) -> None:
    """Of those with equal values the first."""
    values = torch.arange(rows).remainder(kinds).double()
    order = sorted(range(rows), key=lambda row: (-float(values[row]), row))
    expected = sorted(order[: round(share * rows)])
    assert highest(values, share).nonzero()[:, 0].tolist() == expected


def test_centred_goes_as_near_the_keep_rate_as_bounds_allow() -> None:
    policy = make_policy(normalisation="centred", keep_rate=0.99, bounds=(0.1, 0.9))
    values = make_values(50).requires_grad_()
    p = policy.probabilities(values)
    assert torch.allclose(p, torch.full_like(p, 0.9))
    p.sum().backward()
    assert torch.isfinite(values.grad).all()  # type: ignore[arg-type]


def test_centred_total_is_constant_so_its_gradient_is_zero() -> None:
    policy = make_policy(normalisation="centred")
    values = make_values(40, seed=5).requires_grad_()
    slope = torch.autograd.grad(policy.probabilities(values).sum(), values)[0]
    assert float(slope.abs().max()) < 1e-9


def test_sigmoid_is_not_centred() -> None:
    """Value 0 gets sigmoid(offset); one temperature x sd above it, sigmoid(1 + offset)."""
    policy = make_policy(offset=0.5, temperature=0.25)
    p = policy.probabilities(torch.tensor([0.0, 0.25 * policy.sd], dtype=torch.float64))
    assert p.tolist() == pytest.approx([1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(-1.5))])


def test_minmax_scales_and_gives_one_half_where_all_are_equal() -> None:
    policy = make_policy(normalisation="minmax", bounds=(0.0, 1.0))
    assert policy.probabilities(torch.tensor([1.0, 3.0, 2.0])).tolist() == [0.0, 1.0, 0.5]
    assert policy.probabilities(torch.tensor([4.0, 4.0])).tolist() == [0.5, 0.5]
    assert policy.probabilities(torch.tensor([4.0])).tolist() == [0.5]


def test_running_sd_is_an_average_that_survives_a_checkpoint() -> None:
    """First .2, then .9 x .2 + .1 x .6 = .24."""
    policy = SelectionPolicy(PolicyConfig())
    assert policy.sd == 1.0
    policy.observe(torch.tensor([-0.2, 0.2], dtype=torch.float64))
    policy.observe(torch.tensor([1.6, 0.4], dtype=torch.float64))
    assert policy.sd == pytest.approx(0.24)
    restored = SelectionPolicy(PolicyConfig())
    restored.load(policy.state())
    assert restored.sd == policy.sd
    restored.load(SelectionPolicy(PolicyConfig()).state())
    assert restored.sd == 1.0


def test_draws_match_their_probabilities() -> None:
    """Each frequency lies within 4 standard errors of p; 0 and 1 are certain."""
    p = torch.tensor([0.0, 0.05, 0.3, 0.5, 0.95, 1.0], dtype=torch.float64)
    masks = 20_000
    kept = draw(p, masks, torch.Generator().manual_seed(0))
    assert kept.shape == (masks, 6) and kept.dtype == torch.bool
    error = (p * (1 - p) / masks).sqrt()
    assert ((kept.double().mean(0) - p).abs() <= 4 * error).all()
    assert kept[:, 0].sum() == 0 and kept[:, 5].all()


def test_draws_are_those_of_the_global_index() -> None:
    """The same seed gives the same masks for either shape and width of the probabilities."""
    p = torch.linspace(0.1, 0.9, 40)
    first = draw(p, 3, torch.Generator().manual_seed(7))
    again = draw(p.double().expand(3, -1), 3, torch.Generator().manual_seed(7))
    other = draw(p, 3, torch.Generator().manual_seed(8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_log_prob_and_entropy_are_those_of_a_coin() -> None:
    p = torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64)
    selected = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    found = log_prob(selected, p)
    assert found[:, :2].tolist() == [
        pytest.approx([math.log(0.25), math.log(0.5)]),
        pytest.approx([math.log(0.75), math.log(0.5)]),
    ]
    assert torch.isfinite(found).all()
    mixed = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert entropy(p).tolist() == pytest.approx([mixed, math.log(2), 0.0], abs=2e-5)


def test_log_prob_has_the_score_functions_gradient() -> None:
    """d log pi / dp = (s - p) / (p (1 - p))."""
    p = torch.tensor([0.2, 0.7], dtype=torch.float64, requires_grad=True)
    selected = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    log_prob(selected, p).sum().backward()
    expected = ((selected[0] - p) / (p * (1 - p))).detach()
    torch.testing.assert_close(p.grad, expected)
