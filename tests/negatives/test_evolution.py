"""Evolution strategies: the estimate is the gradient, and theta goes where the reward says."""

from __future__ import annotations

import itertools

import pytest
import torch

from dvr_ray.negatives.evolution import Evolution

SPREAD = 0.5


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gradient_of(moves: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """The gradient that is handed to Adam when users tried out these moves (P, U, c)."""
    evolution = Evolution(moves.shape[2], moves.shape[1], SPREAD, 0.1)
    evolution._moves = moves
    evolution.end(rewards)
    found = evolution._theta.grad
    assert found is not None
    return found


def test_expected_estimate_is_the_gradient_of_the_expected_reward() -> None:
    """Enumerated: two users with moves of +-s in each of two parameters, all 16 cases alike.

    User u's reward is a_u + b_u . x + x' C x at its own parameters x. With theta = 0, x is the
    move e, and E[M(theta + e)] = a_u + b_u . theta + theta' C theta + s^2 tr C, whose gradient at
    0 is b_u: its mean over users is what the estimate must be on average, whatever C is.
    """
    constant = torch.tensor([3.0, -1.0], dtype=torch.float64)
    slope = torch.tensor([[0.7, -0.2], [0.1, 0.4]], dtype=torch.float64)
    curve = torch.tensor([[2.0, 0.3], [0.3, -1.0]], dtype=torch.float64)

    def reward(points: torch.Tensor) -> torch.Tensor:
        bent = torch.einsum("uc,cd,ud->u", points, curve, points)
        return constant + (slope * points).sum(1) + bent

    found = []
    for signs in itertools.product((-SPREAD, SPREAD), repeat=4):
        move = torch.tensor(signs, dtype=torch.float64).view(2, 2)
        found.append(gradient_of(move[None], torch.stack([reward(move), reward(-move)])))
    torch.testing.assert_close(torch.stack(found).mean(0), slope.mean(0), rtol=0, atol=1e-12)


def test_whatever_both_partners_lose_cancels() -> None:
    moves = torch.randn(3, 5, 2, dtype=torch.float64, generator=numbers())
    rewards = torch.randn(6, 5, dtype=torch.float64, generator=numbers(1))
    baseline = rewards.mean(0)
    torch.testing.assert_close(
        gradient_of(moves, rewards), gradient_of(moves, rewards - baseline), rtol=0, atol=1e-12
    )


def test_users_without_a_reward_have_no_say() -> None:
    moves = torch.randn(1, 4, 3, dtype=torch.float64, generator=numbers())
    rewards = torch.randn(2, 4, dtype=torch.float64, generator=numbers(1))
    known = gradient_of(moves[:, :2], rewards[:, :2])
    rewards[:, 2:] = torch.nan
    assert torch.equal(gradient_of(moves, rewards), known)
    rewards[:] = torch.nan
    assert torch.equal(gradient_of(moves, rewards), torch.zeros(3, dtype=torch.float64))


def test_partners_of_a_pair_are_mirrored_and_pairs_differ() -> None:
    evolution = Evolution(3, 200, SPREAD, 0.1)
    evolution.begin(4, numbers())
    found = torch.stack([evolution.of(k) for k in range(4)])
    assert torch.equal(found[0], -found[1]) and torch.equal(found[2], -found[3])
    assert not torch.equal(found[0], found[2])
    # 1,200 numbers: five standard errors of their standard deviation.
    assert float(found[::2].std()) == pytest.approx(SPREAD, abs=5 * SPREAD / 2400**0.5)


def test_theta_finds_the_top_of_a_smooth_reward() -> None:
    """Rewards -|x - top|^2 at each user's own parameters; steps of .1 end within .3 of the top."""
    top = torch.tensor([1.0, -0.5, 0.0], dtype=torch.float64)
    evolution = Evolution(3, 300, SPREAD, 0.1)
    for horizon in range(60):
        evolution.begin(2, numbers(horizon))
        points = torch.stack([evolution.of(0), evolution.of(1)])
        z = evolution.end(-(points - top).square().sum(2))
        if not horizon:
            assert z[0] > 6 and z[1] < -3
    assert float((evolution.theta - top).abs().max()) < 0.3


def test_restored_evolution_goes_on_as_the_unbroken_one() -> None:
    whole, broken = Evolution(2, 9, SPREAD, 0.1), Evolution(2, 9, SPREAD, 0.1)
    for horizon in range(4):
        if horizon == 2:
            restored = Evolution(2, 9, SPREAD, 0.1)
            restored.load_tensors({k: v.clone() for k, v in broken.tensors().items()})
            broken = restored
        for each in (whole, broken):
            each.begin(2, numbers(horizon))
            each.end(torch.randn(2, 9, generator=numbers(100 + horizon)))
    assert torch.equal(whole.theta, broken.theta) and bool(whole.theta.any())
