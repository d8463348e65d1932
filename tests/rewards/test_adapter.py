"""The two estimators against their formulas, and directional masks against a known game."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dvr_ray.config.schema import AdapterConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.rewards.adapter import MetricAdapter
from dvr_ray.rewards.directional import PENALTIES, DirectionalHistory, directional_probabilities

USERS, ITEMS = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 2, 1])


def _adapter(**choices: object) -> MetricAdapter:
    train = Interactions(USERS, ITEMS, 3, 3)
    held = Interactions(np.array([0, 1, 2]), np.array([2, 1, 0]), 3, 3)
    return MetricAdapter(AdapterConfig.model_validate(choices), train, held, torch.float64)


def _horizon() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    odds = torch.full((4, 5), 0.6, dtype=torch.float64)
    selected = (torch.rand(4, 5, generator=generator, dtype=torch.float64) < odds).double()
    metric = torch.rand(4, 3, generator=generator, dtype=torch.float64)
    return torch.arange(5), selected, odds, metric


def test_natural_loss_is_least_at_the_natural_gradient() -> None:
    """``D phi^2 - 2 phi N / sc`` is least at phi = N / (D sc), whose sd is 1 by choice of sc."""
    adapter = _adapter()
    rows, selected, odds, metric = _horizon()
    outcome = adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    values = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([values], max_iter=200, tolerance_grad=1e-12)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = adapter.loss(values, torch.sigmoid(values), rows, rows, outcome)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)
    pull = (outcome.credit * (selected - odds)).mean(0)
    expected = pull / 0.24
    expected = expected / expected.std(correction=0)
    assert torch.allclose(values.detach(), expected, atol=1e-6)


def test_score_loss_has_the_policy_gradient_as_its_gradient() -> None:
    """Its gradient in logit i is ``-mean_k c_ki (s_ki - p_i)``."""
    adapter = _adapter(estimator="score")
    rows, selected, odds, metric = _horizon()
    outcome = adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    logits = torch.full((5,), float(np.log(0.6 / 0.4)), dtype=torch.float64, requires_grad=True)
    loss = adapter.loss(logits, torch.sigmoid(logits), rows, rows, outcome)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(gradient, -(outcome.credit * (selected - odds)).mean(0))


def test_running_sums_decay() -> None:
    """Plain means of the first horizons; then, with decay .5, the third and later count 1/2."""
    adapter = _adapter(decay=0.5)
    rows, selected, odds, metric = _horizon()
    adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    first = adapter.tensors()["numerator"].clone()
    adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    assert torch.allclose(adapter.tensors()["numerator"], first)
    adapter.observe(rows, selected, odds, torch.zeros(5, 1), -metric)
    assert torch.allclose(adapter.tensors()["numerator"], 0.5 * first - 0.5 * first)
    adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    assert torch.allclose(adapter.tensors()["numerator"], 0.5 * first)


def test_without_much_decay_no_horizon_counts_most() -> None:
    adapter = _adapter(decay=0.9)
    rows, selected, odds, metric = _horizon()
    for sign in (1, 1, 1, -1):
        adapter.observe(rows, selected, odds, torch.zeros(5, 1), sign * metric)
    found = adapter.tensors()["numerator"]
    alone = _adapter()
    alone.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    assert torch.allclose(found, 0.5 * alone.tensors()["numerator"])


def test_halves_are_what_every_other_mask_says_alone() -> None:
    rows, selected, odds, metric = _horizon()
    adapter = _adapter()
    adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    halves, fisher = adapter.evidence(rows)
    users = torch.from_numpy(USERS)
    for half, (a, b) in zip(halves, [(0, 2), (1, 3)], strict=True):
        gap = (metric[a] - metric[b])[users]  # leave-one-out: the one minus the other, and back
        expected = (gap * (selected - odds)[a] - gap * (selected - odds)[b]) / 2
        assert torch.allclose(half, expected)
    assert torch.allclose(fisher, torch.full((5,), 0.24, dtype=torch.float64))


def test_three_masks_have_no_halves() -> None:
    rows, selected, odds, metric = _horizon()
    adapter = _adapter(masks=3)
    adapter.observe(rows, selected[:3], odds[:3], torch.zeros(5, 1), metric[:3])
    assert not adapter.evidence(rows)[0][1].any()


def test_state_survives_a_round_trip() -> None:
    adapter, other = _adapter(), _adapter()
    rows, selected, odds, metric = _horizon()
    outcome = adapter.observe(rows, selected, odds, torch.zeros(5, 1), metric)
    other.load_tensors(adapter.tensors())
    values = torch.linspace(-1, 1, 5, dtype=torch.float64)
    losses = [a.loss(values, values, rows, rows, outcome) for a in (adapter, other)]
    assert losses[0] == losses[1]


def test_directional_masks_are_antithetic() -> None:
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    odds = directional_probabilities(inputs, 4, torch.Generator().manual_seed(2))
    logits = torch.logit(odds)
    assert torch.allclose(logits[0] + logits[1], torch.full((50,), 1.9), atol=1e-4)
    assert torch.allclose(logits[2] + logits[3], torch.full((50,), 1.9), atol=1e-4)


def test_directional_scalar_reward_finds_the_slope() -> None:
    """A total metric that is linear in the kept rows' features has that slope's direction."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(400, 4, generator=generator, dtype=torch.float64)
    slope = torch.tensor([1.0, -2.0, 0.0, 0.5], dtype=torch.float64)
    history = DirectionalHistory()
    for _ in range(4):
        odds = directional_probabilities(inputs, 8, generator)
        uniforms = torch.rand(odds.shape, generator=generator, dtype=torch.float64)
        selected = (uniforms < odds).double()
        history.add(selected, inputs, (selected * (inputs @ slope)).sum(1))
    found, explained = history.slope()
    assert torch.nn.functional.cosine_similarity(found, slope, dim=0) > 0.98
    assert explained > 0.9


def test_a_reward_of_chance_leaves_pairs_unexplained() -> None:
    generator = torch.Generator().manual_seed(6)
    inputs = torch.randn(400, 4, generator=generator, dtype=torch.float64)
    shares = []
    for _ in range(10):
        history = DirectionalHistory()
        odds = directional_probabilities(inputs, 32, generator)
        totals = torch.randn(32, generator=generator, dtype=torch.float64)
        history.add((torch.rand(odds.shape, generator=generator) < odds).double(), inputs, totals)
        shares.append(history.slope()[1])
    assert max(shares) < 0.3
    assert sum(shares) / len(shares) < 0.05


def test_left_out_pairs_are_predicted_by_the_others_alone() -> None:
    """R2 by its definition, at the best of the penalties."""
    generator = torch.Generator().manual_seed(7)
    history = DirectionalHistory()
    history.load_tensors(
        {
            "projections": torch.randn(8, 3, generator=generator, dtype=torch.float64),
            "totals": torch.randn(8, generator=generator, dtype=torch.float64),
        }
    )
    z, y = history.tensors()["projections"], history.tensors()["totals"]
    z = z / z.std(0)
    errors = []
    for penalty in PENALTIES:
        gaps = []
        for pair in range(4):
            rest = [k for k in range(8) if k // 2 != pair]
            gram = z[rest].T @ z[rest] + penalty * 6 * torch.eye(3, dtype=z.dtype)
            slope = torch.linalg.inv(gram) @ z[rest].T @ y[rest]
            gaps += [float(y[k] - z[k] @ slope) for k in (2 * pair, 2 * pair + 1)]
        errors.append(sum(gap**2 for gap in gaps))
    assert history.slope()[1] == pytest.approx(1 - min(errors) / float((y**2).sum()))


def test_replicas_from_scratch_keep_every_row_alike() -> None:
    policy, inputs = torch.tensor([0.1, 0.9, 0.5]), torch.zeros(3, 1)
    numbers = torch.Generator().manual_seed(0)
    follows = _adapter(masks=4).probabilities(policy, inputs, numbers)
    assert torch.equal(follows, policy.expand(4, 3))
    explores = _adapter(masks=4, horizon={"start": "scratch"})
    assert torch.equal(explores.probabilities(policy, inputs, numbers), torch.full((4, 3), 0.7))
