"""PRIS: proposals, weights, and gradients through the weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from drawing import all_rows, chance, liked_by, model_of, small_log, users_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.negatives import by_cluster, by_weight, importance_loss, mean_loss
from pydantic import ValidationError
from torch.autograd import gradcheck

from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import ConfigError
from dvr_ray.negatives.clusters import Clusters
from dvr_ray.negatives.importance import Importance, ImportanceParams
from dvr_ray.negatives.sampler import Negatives

PROPOSALS: list[dict[str, Any]] = [
    {"proposal": "uniform"},
    {"proposal": "uniform", "shared": True},
    {"proposal": "popularity"},
    {"proposal": "popularity", "popularity": "power", "shared": True},
    {"proposal": "cluster", "clusters": 2},
]


def _sampler(train: Interactions, **fields: Any) -> Importance:
    return Importance(ImportanceParams(**fields), train)


def _chosen(
    sampler: Importance, train: Interactions, rows: torch.Tensor, seed: int = 0
) -> Negatives:
    model = model_of(train)
    drawn = sampler.draw(rows, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return sampler.choose(model, sampler.snapshot(model), users_of(train)[rows], drawn)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(PROPOSALS),
    st.integers(1, 6),
    st.integers(2, 12),
    st.integers(0, 500),
)
def test_a_usable_negative_is_never_a_positive(
    fields: dict[str, Any], users: int, items: int, seed: int
) -> None:
    train = small_log(users, items, seed)
    found = _chosen(_sampler(train, count=4, **fields), train, all_rows(train), seed)
    listed = found.items.expand(len(train), 4).numpy()
    assert listed.min() >= 0 and listed.max() < items
    taken = train.contains(np.repeat(train.users[:, None], 4, 1), listed)
    usable = ~taken if found.usable is None else found.usable.numpy()
    assert np.array_equal(usable, ~taken) and (found.usable is not None or not taken.any())


@pytest.mark.parametrize(("mode", "weigh"), [("log", math.log1p), ("power", lambda c: c**0.75)])
def test_popular_items_come_up_by_their_weight_and_say_so(mode: str, weigh: Any) -> None:
    train = small_log(12, 15, seed=1)
    weights = [weigh(int(count)) for count in train.item_counts]
    rows = torch.full((4000,), int(train.user_offsets[2]))
    found = _chosen(_sampler(train, popularity=mode), train, rows)
    odds = by_weight(weights, liked_by(train, 2))
    assert chance(found.items, odds) > 1e-3
    _equal_up_to_a_constant(found, odds)


def test_a_cluster_draws_the_users_it_pulls() -> None:
    train = small_log(4, 30, seed=2)
    model = model_of(train)
    for popularity in ("none", "log"):
        sampler = _sampler(train, proposal="cluster", clusters=4, popularity=popularity)
        clusters: Clusters = sampler.snapshot(model)
        assert sorted(set(clusters.of.tolist())) == [0, 1, 2, 3]
        counts = [int(count) for count in train.item_counts]
        weights = [1.0 if popularity == "none" else max(math.log1p(c), 1e-9) for c in counts]
        for user in range(4):
            pulls = (clusters.centres @ model.users[user]).tolist()
            odds = by_cluster(pulls, clusters.of.tolist(), weights, liked_by(train, user))
            rows = torch.full((3000,), int(train.user_offsets[user]))
            found = _chosen(sampler, train, rows, seed=user)
            assert chance(found.items, odds) > 1e-3
            _equal_up_to_a_constant(found, odds)


def _equal_up_to_a_constant(found: Negatives, odds: list[float]) -> None:
    assert found.log_proposal is not None
    shift = found.log_proposal - torch.tensor(odds, dtype=torch.float64).log()[found.items]
    assert float(shift.max() - shift.min()) < 1e-6


def test_centres_are_the_means_of_the_items_nearest_to_them() -> None:
    train = small_log(4, 30, seed=2)
    model = model_of(train)
    clusters: Clusters = _sampler(train, proposal="cluster", clusters=3).snapshot(model)
    items = model.items.detach()
    for group in range(3):
        assert torch.allclose(clusters.centres[group], items[clusters.of == group].mean(0))
    for item in range(30):
        distances = [float((items[item] - centre).square().sum()) for centre in clusters.centres]
        assert int(clusters.of[item]) == min(range(3), key=lambda c: distances[c])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_losses_are_the_weighted_sums_of_a_loop(seed: int, shared: bool, masked: bool) -> None:
    draws = torch.Generator().manual_seed(seed)
    gaps = torch.randn(5, 4, dtype=torch.float64, generator=draws) * 3
    odds = torch.rand(1 if shared else 5, 4, dtype=torch.float64, generator=draws) + 0.01
    usable = torch.rand(5, 4, generator=draws) < 0.5 if masked else None
    if usable is not None:
        usable[0] = False
    negatives = Negatives(torch.zeros(5, 4, dtype=torch.long), usable, odds.log())
    train = small_log(3, 6, seed=0)
    for weights, oracle in (("softmax", None), ("uniform", mean_loss)):
        found = _sampler(train, weights=weights).losses(gaps, negatives)
        for row in range(5):
            use = [True] * 4 if usable is None else usable[row].tolist()
            own = odds[0 if shared else row].tolist()
            x = gaps[row].tolist()
            expected = oracle(x, use) if oracle else importance_loss(x, own, use)
            assert float(found[row]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_flow_through_the_weights(masked: bool) -> None:
    """Against finite differences; a row without usable negatives has none, and no NaN."""
    draws = torch.Generator().manual_seed(0)
    gaps = torch.randn(4, 3, dtype=torch.float64, generator=draws).requires_grad_()
    usable = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]).bool() if masked else None
    log_proposal = torch.rand(4, 3, dtype=torch.float64, generator=draws).log()
    negatives = Negatives(torch.zeros(4, 3, dtype=torch.long), usable, log_proposal)
    sampler = _sampler(small_log(3, 6, seed=0))
    assert gradcheck(lambda x: sampler.losses(x, negatives), gaps)
    sampler.losses(gaps, negatives).sum().backward()
    assert gaps.grad is not None and gaps.grad.isfinite().all()
    assert not masked or not gaps.grad[1].any()
    fixed = torch.softmax(-gaps - log_proposal, 1).detach() * -torch.sigmoid(-gaps)
    assert masked or not torch.allclose(gaps.grad, fixed)


def test_equal_gaps_of_any_proposal_lose_what_bpr_loses() -> None:
    negatives = Negatives(torch.zeros(1, 3, dtype=torch.long), None, torch.randn(1, 3))
    found = _sampler(small_log(3, 6, seed=0)).losses(torch.full((1, 3), 0.7), negatives)
    assert float(found) == pytest.approx(math.log1p(math.exp(-0.7)))


def test_a_shared_list_of_clusters_and_too_many_clusters_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be false where proposal is cluster"):
        ImportanceParams(proposal="cluster", shared=True)
    with pytest.raises(ConfigError, match="must be <= the number of items"):
        _sampler(small_log(3, 6, seed=0), proposal="cluster", clusters=7)
