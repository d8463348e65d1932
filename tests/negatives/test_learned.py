"""Learned negatives: their distribution, what agreement is, and where a reward moves theta."""

from __future__ import annotations

import math

import pytest
import torch
from drawing import chance, liked_by, model_of, small_log
from oracles.negatives import by_traits, by_weight, mean_cosines

from dvr_ray.negatives.learned import Learned, LearnedParams, agreement_tables

TRAIN = small_log(6, 9, seed=1)
MODEL = model_of(TRAIN)
THETA = [0.8, -0.5, 1.2]


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampler_with(theta: list[float], candidates: int = 3, lr: float = 0.1) -> Learned:
    sampler = Learned(LearnedParams(candidates=candidates, lr=lr), TRAIN)
    sampler.load_tensors({"theta": torch.tensor(theta, dtype=torch.float64)})
    return sampler


def drawn_by(sampler: Learned, count: int) -> torch.Tensor:
    """Negatives of user 0's first row, many times."""
    rows = torch.zeros(count, dtype=torch.long)
    return sampler.choose(MODEL, None, rows, sampler.draw(rows, numbers())).items


def expected(theta: list[float]) -> list[float]:
    lists = [liked_by(TRAIN, user) for user in range(TRAIN.num_users)]
    traits = [
        MODEL.item_scores(torch.tensor([0]))[0].tolist(),
        [math.log1p(count) for count in TRAIN.item_counts.tolist()],
        mean_cosines(lists, TRAIN.num_items, 0),
    ]
    free = [j for j in range(TRAIN.num_items) if j not in lists[0]]
    return by_traits(traits, theta, free, 3)


def test_negatives_follow_the_softmax_of_theta() -> None:
    """Against the probabilities of every list of candidates; the log's rank is below 64."""
    assert chance(drawn_by(sampler_with(THETA), 20_000), expected(THETA)) > 1e-3


@pytest.mark.parametrize("place", range(3))
def test_each_number_of_theta_counts_for_its_own_trait(place: int) -> None:
    theta = [1.5 * (k == place) for k in range(3)]
    found = drawn_by(sampler_with(theta), 8000)
    assert chance(found, expected(theta)) > 1e-3
    other = [1.5 * (k == (place + 1) % 3) for k in range(3)]
    assert chance(found, expected(other)) < 1e-6


def test_without_theta_negatives_are_uniform() -> None:
    uniform = by_weight([1.0] * TRAIN.num_items, liked_by(TRAIN, 0))
    assert chance(drawn_by(sampler_with([0.0] * 3), 8000), uniform) > 1e-3


def test_agreement_is_the_mean_cosine_with_the_users_items() -> None:
    lists = [liked_by(TRAIN, user) for user in range(TRAIN.num_users)]
    tables = agreement_tables(TRAIN, 64)
    for user in range(TRAIN.num_users):
        found = (tables.items @ tables.users[user]).tolist()
        assert found == pytest.approx(mean_cosines(lists, TRAIN.num_items, user), abs=1e-5)


def test_a_replica_draws_by_its_users_own_thetas() -> None:
    """User 0 of either replica draws what a sampler with that user's theta draws."""
    sampler = sampler_with(THETA)
    sampler.begin(2, numbers(3))
    for replica in range(2):
        own = sampler._evolution.of(replica)[0].tolist()
        exploring = drawn_by(sampler.of(replica), 500)
        assert torch.equal(exploring, drawn_by(sampler_with(own), 500))
        assert not torch.equal(exploring, drawn_by(sampler, 500))


def test_a_reward_that_prefers_harder_negatives_raises_the_weight_of_scores() -> None:
    """A user earns the mean score of own negatives: nothing else in the run matters."""
    train = small_log(80, 40, seed=2)
    model = model_of(train, dim=8)
    sampler = Learned(LearnedParams(), train)
    rows = torch.arange(len(train))
    users = torch.from_numpy(train.users)
    sizes = torch.bincount(users, minlength=train.num_users)
    for horizon in range(10):
        sampler.begin(2, numbers(horizon))
        drawn = sampler.draw(rows, numbers(100 + horizon))
        rewards = torch.zeros(2, train.num_users, dtype=torch.float64)
        for replica in range(2):
            items = sampler.of(replica).choose(model, None, users, drawn).items
            scores = model.match(
                *[t[i] for t, i in zip(model.frozen(), (users, items), strict=True)]
            )
            rewards[replica].index_add_(0, users, scores[:, 0].detach())
        monitors = sampler.end(rewards / sizes)
        if not horizon:
            assert monitors["theta_z"][0] > 4
    assert monitors["theta_score"] > 0.7
    assert monitors["theta_score"] > 2 * abs(monitors["theta_popularity"])
