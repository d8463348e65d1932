"""EASE: its scores against one regression per item; what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.backbones import ease
from small_graph import ITEMS, PAIRS, TRAIN, USERS, make

import dvr_ray.backbones.ease as module
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import ConfigError


def check_against_regressions(pairs: list[tuple[int, int]], train: Interactions, l2: float) -> None:
    backbone = make("ease", train, l2=l2)
    scores = backbone.item_scores(torch.arange(USERS)).numpy()
    assert np.abs(scores - ease(pairs, USERS, ITEMS, l2)).max() < 1e-5


@pytest.mark.parametrize("block", [3, 1024])
def test_scores_are_those_of_one_regression_per_item(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    check_against_regressions(PAIRS, _fresh(), 2.0)


def _fresh() -> Interactions:
    """The same rows; what is kept for them isn't."""
    return Interactions(TRAIN.users, TRAIN.items, USERS, ITEMS)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1), st.floats(0.5, 1000))
def test_any_log_agrees_with_one_regression_per_item(
    pairs: set[tuple[int, int]], l2: float
) -> None:
    users, items = np.array(sorted(pairs)).T
    check_against_regressions(
        sorted(pairs), Interactions.from_pairs(users, items, USERS, ITEMS), l2
    )


def test_an_item_says_nothing_of_itself() -> None:
    assert (make("ease")._weights.diagonal() == 0).all()


def test_more_items_than_allowed_are_refused_with_the_memory_they_need() -> None:
    rule = r"run: backbone: ease takes at most backbone.max_items = 7 items, got 8; raise it if 0.0"
    with pytest.raises(ConfigError, match=rule) as caught:
        make("ease", max_items=7)
    assert caught.value.exit_code == 2
