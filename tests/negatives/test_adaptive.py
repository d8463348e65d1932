"""AOBPR negatives: by factor ranks, or by exact ranks in a pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from drawing import Normed, all_rows, chance, liked_by, model_of, small_log, users_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.negatives import by_factor_ranks, by_pool_ranks, geometric

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.negatives.adaptive import Adaptive, AdaptiveParams, _rank


def _sampler(train: Any, model: BPRMF, **fields: Any) -> Adaptive:
    sampler = Adaptive(AdaptiveParams(**fields), train)
    sampler.meet(type(model))
    return sampler


def _chosen(sampler: Adaptive, model: BPRMF, users: torch.Tensor, drawn: torch.Tensor) -> Any:
    with torch.no_grad():
        return sampler.choose(model, sampler.snapshot(model), users, drawn).items


def _many(sampler: Adaptive, model: BPRMF, row: int, user: int, times: int) -> torch.Tensor:
    rows = torch.full((times,), row)
    drawn = sampler.draw(rows, torch.Generator().manual_seed(5))
    found = _chosen(sampler, model, torch.full((times,), user), drawn)
    assert isinstance(found, torch.Tensor)
    return found


@pytest.mark.parametrize("share", [0.05, 0.3, 2.0])
def test_items_come_up_by_factor_ranks(share: float) -> None:
    train = small_log(4, 20, seed=1, share=0.2)
    model = model_of(train)
    sampler = _sampler(train, model, share=share)
    for user in range(4):
        mine = liked_by(train, user)
        expected = by_factor_ranks(
            model.users[user].tolist(), model.items.tolist(), share * 20, mine
        )
        found = _many(sampler, model, int(train.user_offsets[user]), user, 8000)
        assert chance(found, expected) > 1e-3


@pytest.mark.parametrize(("length", "mean"), [(5, 0.4), (30, 3.0), (30, 300.0)])
def test_ranks_are_geometric(length: int, mean: float) -> None:
    """A rank is no step function of whole numbers."""
    numbers = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert chance(_rank(numbers, mean, length), geometric(length, mean)) > 1e-3
    edges = _rank(torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64), mean, length)
    assert edges.tolist() == [0, length - 1]


def test_a_matching_of_its_own_is_ranked_in_a_pool() -> None:
    train = small_log(3, 6, seed=1)
    model = model_of(train, Normed)
    sampler = _sampler(train, model, share=0.3, pool=4, count=2)
    for user in range(3):
        scores = model.item_scores(torch.tensor([user]))[0].tolist()
        expected = by_pool_ranks(scores, 4, 0.3 * 6, liked_by(train, user))
        found = _many(sampler, model, int(train.user_offsets[user]), user, 4000)
        # Two negatives of a row share a pool, so only one of them is an independent draw.
        assert chance(found[:, 0], expected) > 1e-3
        assert chance(found[:, 1], expected) > 1e-3


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(2, 12), st.integers(0, 500), st.sampled_from([BPRMF, Normed]))
def test_a_negative_is_never_a_positive(
    users: int, items: int, seed: int, cls: type[BPRMF]
) -> None:
    train = small_log(users, items, seed, share=0.9)
    model = model_of(train, cls, seed=seed)
    sampler = _sampler(train, model, count=3, share=0.05)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(seed))
    found = _chosen(sampler, model, users_of(train), drawn).numpy()
    assert found.shape == (len(train), 3) and found.min() >= 0 and found.max() < items
    assert not train.contains(np.repeat(train.users[:, None], 3, 1), found).any()


def test_a_model_without_spread_still_gets_negatives() -> None:
    train = small_log(3, 9, seed=1)
    model = model_of(train)
    with torch.no_grad():
        model.items.zero_()
        model.users.zero_()
    sampler = _sampler(train, model)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(0))
    found = _chosen(sampler, model, users_of(train), drawn).numpy()
    assert not train.contains(train.users[:, None], found).any()


def test_lists_are_renewed_every_i_ln_i_rows() -> None:
    train = small_log(3, 100, seed=1)
    assert Adaptive(AdaptiveParams(), train).refresh_rows == 461  # 100 ln 100 = 460.5


def test_lists_may_be_old_while_the_user_is_of_now() -> None:
    """A user whose factors turn round gets items from the other ends of the same lists."""
    train = small_log(1, 40, seed=1, share=0.1)
    model = model_of(train, dim=1)
    sampler = _sampler(train, model, share=0.02)
    rows = torch.zeros(50, dtype=torch.long)
    drawn = sampler.draw(rows, torch.Generator().manual_seed(0))
    lists = sampler.snapshot(model)
    with torch.no_grad():
        model.users.fill_(1.0)
        high = sampler.choose(model, lists, rows, drawn).items
        model.users.fill_(-1.0)
        low = sampler.choose(model, lists, rows, drawn).items
    assert model.items[high].min() > model.items[low].max()
