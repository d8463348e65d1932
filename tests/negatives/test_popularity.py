"""WBPR negatives: the item of a drawn interaction, drawn again if it is the user's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawing import all_rows, chance, liked_by, small_log
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.negatives import by_weight

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.popularity import Popularity, PopularityParams

MODEL = BPRMF(1, 1, 1, torch.Generator())  # popular negatives don't look at it


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(2, 12), st.integers(0, 1000), st.floats(0, 4))
def test_a_negative_is_never_a_positive(users: int, items: int, seed: int, power: float) -> None:
    train = small_log(users, items, seed)
    sampler = Popularity(PopularityParams(count=3, power=power), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(seed)).numpy()
    assert drawn.shape == (len(train), 3)
    assert drawn.min() >= 0 and drawn.max() < items
    assert not train.contains(np.repeat(train.users[:, None], 3, 1), drawn).any()


@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
def test_items_come_up_by_their_count_to_the_power(power: float) -> None:
    train = small_log(12, 15, seed=1)
    sampler = Popularity(PopularityParams(count=2000, power=power), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(0))
    weights = [float(count) ** power for count in train.item_counts]
    for user in range(4):
        mine = drawn[torch.from_numpy(train.users == user)]
        assert chance(mine, by_weight(weights, liked_by(train, user))) > 1e-3


def test_power_one_is_the_item_of_a_drawn_interaction() -> None:
    """The literal procedure: draw a row, take its item, again if it is the user's."""
    train = small_log(6, 10, seed=3)
    rng = np.random.default_rng(0)
    mine, literal = liked_by(train, 0), []
    while len(literal) < 20_000:
        item = int(train.items[rng.integers(len(train))])
        if item not in mine:
            literal.append(item)
    expected = np.bincount(literal, minlength=10) / len(literal)
    exact = np.array(by_weight([float(count) for count in train.item_counts], mine))
    assert np.abs(expected - exact).max() < 4.5 * np.sqrt(0.25 / len(literal))
    sampler = Popularity(PopularityParams(count=5000), train)
    drawn = sampler.draw(torch.zeros(1, dtype=torch.long), torch.Generator().manual_seed(0))
    assert chance(drawn, exact.tolist()) > 1e-3


def test_a_user_who_has_all_popular_items_gets_the_others() -> None:
    """Items 2 and 3 have no interaction; user 0 has all others."""
    train = Interactions.from_pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), 2, 4)
    drawn = Popularity(PopularityParams(count=2000), train).draw(
        torch.arange(3), torch.Generator().manual_seed(0)
    )
    assert chance(drawn[:2], [0, 0, 1, 1]) > 1e-3
    assert set(drawn[2].tolist()) == {1}


def test_a_shared_list_is_drawn_by_popularity_and_positives_are_masked() -> None:
    train = small_log(6, 10, seed=3)
    sampler = Popularity(PopularityParams(count=5000, shared=True), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(0))
    assert drawn.shape == (1, 5000)
    assert chance(drawn[drawn != 9], train.item_counts[:9].tolist()) > 1e-3
    users = torch.from_numpy(train.users)
    found = sampler.choose(MODEL, None, users, drawn)
    assert found.usable is not None
    taken = train.contains(
        np.repeat(train.users[:, None], 5000, 1), drawn.expand(len(users), -1).numpy()
    )
    assert np.array_equal(found.usable.numpy(), ~taken)
