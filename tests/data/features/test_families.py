"""Every family of features against its definition, with the row really taken out of the log."""

from __future__ import annotations

import numpy as np
import pytest
from feature_logs import random_log, small_logs
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.features import FEATURES as ORACLES
from oracles.reward_features import FEATURES as OTHERS

from dvr_ray.data.features import FEATURES, FeatureContext
from dvr_ray.data.interactions import Interactions


def computed(name: str, log: Interactions, losses: np.ndarray | None = None) -> np.ndarray:
    return FEATURES.get(name)().compute(FeatureContext(log, losses))


def by_definition(name: str, log: Interactions) -> np.ndarray:
    rows = list(zip(log.users.tolist(), log.items.tolist(), strict=True))
    pairs = set(rows)
    return np.array([ORACLES[name](pairs, log.num_users, log.num_items, row) for row in rows])


@pytest.mark.parametrize("name", sorted(ORACLES))
@settings(deadline=None, max_examples=60)
@given(log=small_logs())
def test_family_equals_its_definition(name: str, log: Interactions) -> None:
    np.testing.assert_allclose(computed(name, log), by_definition(name, log), atol=1e-6)


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_family_equals_its_definition_on_longer_lists(name: str) -> None:
    log = random_log(1, users=20, items=16, rows=110)
    assert log.user_counts.max() > 8
    np.testing.assert_allclose(computed(name, log), by_definition(name, log), atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(log=small_logs(), seed=st.integers(0, 2**32 - 1))
def test_loss_is_negated_and_others_are_the_users_other_rows(log: Interactions, seed: int) -> None:
    losses = np.random.default_rng(seed).random(len(log))
    found = computed("loss", log, losses)
    for row, user in enumerate(log.users):
        others = [losses[r] for r in np.flatnonzero(log.users == user) if r != row]
        mean = sum(others) / len(others) if others else losses[row]
        assert found[row] == pytest.approx([-losses[row], -mean], abs=1e-12)


def test_every_family_but_loss_has_a_definition() -> None:
    assert set(FEATURES.names()) == {*ORACLES, *OTHERS, "loss"}


def test_a_row_does_not_vouch_for_itself() -> None:
    """Users 0 and 1 share nothing but item 0: without (0, 0), item 0 and 1 never meet."""
    log = Interactions.from_pairs(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]), 2, 3)
    assert not computed("agreement", log).any()
    assert (computed("coherence", log)[0] > 0).all()


def test_one_item_users_and_one_user_items_are_neutral() -> None:
    """Row (0, 0) is all that its user and its item have: it agrees with nothing.

    Its left-out score 0 ties with the scores of all absent pairs, which are 0 too.
    """
    log = Interactions.from_pairs(np.array([0, 1, 1, 2, 2]), np.array([0, 1, 2, 1, 2]), 3, 3)
    assert not computed("agreement", log)[0].any()
    assert not computed("overlap", log)[0].any()
    assert not computed("coherence", log)[0].any()
    assert not computed("counts", log)[0].any()
    assert computed("neighbourhood", log)[0].tolist() == [0.5, 0.5]


def test_an_owner_of_everything_is_in_the_middle() -> None:
    users, items = np.divmod(np.arange(6), 3)
    log = Interactions.from_pairs(users, items, 2, 3)
    assert (computed("neighbourhood", log) == 0.5).all()
