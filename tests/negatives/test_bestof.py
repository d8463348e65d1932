"""DNS negatives: the hardest of the drawn candidates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawing import all_rows, chance, liked_by, model_of, small_log, users_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.negatives import best_of, by_weight
from pydantic import ValidationError

from dvr_ray.negatives.bestof import BestOf, BestOfParams


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(2, 12), st.integers(0, 1000), st.integers(1, 5))
def test_the_hardest_candidates_are_chosen(users: int, items: int, seed: int, count: int) -> None:
    train = small_log(users, items, seed)
    model = model_of(train, seed=seed)
    sampler = BestOf(BestOfParams(candidates=5, count=count), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(seed))
    found = sampler.choose(model, None, users_of(train), drawn)
    scores = model.item_scores(users_of(train))
    assert found.items.shape == (len(train), count) and found.usable is None
    for row in range(len(train)):
        of_candidates = scores[row, drawn[row]].tolist()
        expected = [int(drawn[row, place]) for place in best_of(of_candidates, count)]
        assert found.items[row].tolist() == expected
    taken = train.contains(np.repeat(train.users[:, None], count, 1), found.items.numpy())
    assert not taken.any()


def test_one_candidate_is_uniform() -> None:
    train = small_log(3, 9, seed=1)
    sampler = BestOf(BestOfParams(candidates=1), train)
    rows = torch.zeros(4000, dtype=torch.long)
    drawn = sampler.draw(rows, torch.Generator().manual_seed(0))
    found = sampler.choose(model_of(train), None, rows, drawn)
    assert chance(found.items, by_weight([1.0] * 9, liked_by(train, 0))) > 1e-3


def test_the_best_of_m_has_the_probability_of_the_largest_of_m_draws() -> None:
    """Of f free items the one with k items above it: ((f - k) / f)^M - ((f - k - 1) / f)^M."""
    train = small_log(3, 9, seed=1)
    model = model_of(train)
    sampler = BestOf(BestOfParams(candidates=3), train)
    rows = torch.zeros(8000, dtype=torch.long)
    drawn = sampler.draw(rows, torch.Generator().manual_seed(0))
    found = sampler.choose(model, None, rows, drawn)
    scores = model.item_scores(rows[:1])[0].tolist()
    free = sorted(set(range(9)) - liked_by(train, 0), key=lambda item: -scores[item])
    expected = [0.0] * 9
    for above, item in enumerate(free):
        left = len(free) - above
        expected[item] = (left / len(free)) ** 3 - ((left - 1) / len(free)) ** 3
    assert chance(found.items, expected) > 1e-3


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(2, 12), st.integers(0, 1000))
def test_of_a_shared_list_each_user_gets_the_hardest_free_items(
    users: int, items: int, seed: int
) -> None:
    train = small_log(users, items, seed)
    model = model_of(train, seed=seed)
    sampler = BestOf(BestOfParams(candidates=6, count=2, shared=True), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(seed))
    assert drawn.shape == (1, 6)
    found = sampler.choose(model, None, users_of(train), drawn)
    assert found.usable is not None
    for row, user in enumerate(train.users):
        scores = model.item_scores(torch.tensor([user]))[0]
        free = [int(item) for item in drawn[0] if int(item) not in liked_by(train, int(user))]
        expected = sorted(free, key=lambda item: -float(scores[item]))[:2]
        assert found.items[row][found.usable[row]].tolist() == expected


def test_more_negatives_than_candidates_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be <= candidates"):
        BestOfParams(candidates=3, count=4)
