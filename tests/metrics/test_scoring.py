"""Scores of ranked lists against loops and against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.ranking import mean_over_users, ndcg, recall
from sklearn.metrics import ndcg_score

from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import ConfigError, DataError
from dvr_ray.metrics import hits, score

ORACLES = {"ndcg": ndcg, "recall": recall}
LISTS = np.array([[3, 1, 2], [0, 2, 5]])
WANTED = [np.array([1]), np.array([4, 5])]


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray], int]:
    """Lists of distinct items, relevant items (none for some users, more than K for others), K."""
    users, items = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.integers(1, items))
    ranked = np.stack([random.permutation(items)[:length] for _ in range(users)])
    sizes = draw(st.lists(st.integers(0, items), min_size=users, max_size=users))
    sizes[draw(st.integers(0, users - 1))] = draw(st.integers(1, items))
    relevant = [random.permutation(items)[:size] for size in sizes]
    return ranked, relevant, draw(st.integers(1, length))


@pytest.mark.parametrize("name", sorted(ORACLES))
@settings(deadline=None, max_examples=80)
@given(case=rankings())
def test_score_equals_the_loops(name: str, case: tuple[np.ndarray, list[np.ndarray], int]) -> None:
    ranked, relevant, cutoff = case
    expected = mean_over_users(
        ORACLES[name], ranked.tolist(), [items.tolist() for items in relevant], cutoff
    )
    assert score(f"{name}@{cutoff}", ranked, relevant) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), items=st.integers(2, 15), data=st.data())
def test_ndcg_equals_scikit_learn(seed: int, items: int, data: st.DataObject) -> None:
    """scikit-learn ranks by scores: the item on place r of n gets n - r. Its ideal is cut at K."""
    random = np.random.default_rng(seed)
    cutoff = data.draw(st.integers(1, items))
    ranked = np.stack([random.permutation(items) for _ in range(4)])
    gain = random.random((4, items)) < 0.4
    gain[:, 0] = True
    scores = np.empty((4, items))
    np.put_along_axis(scores, ranked, np.arange(items, 0.0, -1.0)[None], axis=1)
    expected = ndcg_score(gain.astype(int), scores, k=cutoff)
    relevant = [np.flatnonzero(row) for row in gain]
    assert score(f"ndcg@{cutoff}", ranked, relevant) == pytest.approx(expected, abs=1e-12)


def test_values_by_hand() -> None:
    """User 0 has its item on place 2, user 1 one of its two on place 3.

    recall@3 = (1 + 1/2) / 2; ndcg@3 = (1/log2(3) + (1/2) / (1 + 1/log2(3))) / 2.
    """
    second = 1 / np.log2(3)
    assert score("recall@3", LISTS, WANTED) == 0.75
    expected = (second + 0.5 / (1 + second)) / 2
    assert score("ndcg@3", LISTS, WANTED) == pytest.approx(expected, abs=1e-15)


def test_users_without_relevant_items_are_left_out() -> None:
    lists = np.vstack([LISTS, [[7, 8, 9]]])
    for name in ("recall@3", "ndcg@3"):
        assert score(name, lists, [*WANTED, np.array([], dtype=int)]) == score(name, LISTS, WANTED)


def test_places_beyond_the_cutoff_do_not_count() -> None:
    assert score("recall@1", LISTS, WANTED) == 0
    assert score("ndcg@2", LISTS, WANTED) == score("ndcg@2", LISTS[:, :2], WANTED) > 0


def test_a_relevant_item_named_twice_counts_once() -> None:
    assert score("recall@3", LISTS, [np.array([1, 1]), np.array([4, 5])]) == 0.75


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        (("recall@4", LISTS, WANTED), DataError, ("ranked_items", "4 places", "got 3")),
        (("recall@1", LISTS[0], WANTED), DataError, ("ranked_items", "U = 2", "got (3,)")),
        (("recall@1", LISTS, WANTED[:1]), DataError, ("ranked_items", "U = 1", "got (2, 3)")),
        (
            ("recall@1", LISTS, [np.array([]), np.array([])]),
            DataError,
            ("relevant_items", "no user has a relevant item"),
        ),
        (
            ("recall@1", np.array([[3, 1], [5, 5]]), WANTED),
            DataError,
            ("ranked_items: list 1", "item 5 twice"),
        ),
        (("recal@1", LISTS, WANTED), ConfigError, ("metric", "'recal@1'", "'recall'")),
    ],
)
def test_errors_name_place_and_value(
    arguments: tuple[Any, ...], error: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        score(*arguments)
    message = str(caught.value)
    assert message.startswith(parts[0])
    assert all(part in message for part in parts)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), tensor=st.booleans())
def test_hits_are_memberships(seed: int, tensor: bool) -> None:
    random = np.random.default_rng(seed)
    rows = random.integers(0, [5, 7], (random.integers(0, 20), 2))
    held = Interactions.from_pairs(rows[:, 0], rows[:, 1], 5, 7)
    users = random.permutation(5)[:3]
    lists = np.stack([random.permutation(7)[:4] for _ in users])
    pairs = {(int(user), int(item)) for user, item in rows}
    expected = [
        [(user, item) in pairs for item in items]
        for user, items in zip(users.tolist(), lists.tolist(), strict=True)
    ]
    found = hits(torch.from_numpy(lists) if tensor else lists, users, held)
    assert found.dtype == torch.bool
    assert found.tolist() == expected


def test_items_outside_of_the_catalogue_are_refused() -> None:
    with pytest.raises(DataError, match="from 0 to 4, got 5"):
        score("gini@3", LISTS, WANTED, num_items=5)


def test_lists_may_be_as_short_as_the_catalogue() -> None:
    """Three items in all: each list of three shows everything."""
    lists = np.array([[2, 0, 1], [0, 1, 2]])
    assert score("item-coverage@20", lists, [np.array([1])] * 2, num_items=3) == 1
    assert score("precision@20", lists, [np.array([1])] * 2, num_items=3) == pytest.approx(1 / 20)
