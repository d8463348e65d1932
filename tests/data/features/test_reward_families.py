"""Families that speak of other rewards, against their definitions, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from feature_logs import Described, described, random_log, small_logs
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.reward_features import FEATURES as ORACLES
from oracles.reward_features import Facts

from dvr_ray.config.schema import DataConfig, EncoderConfig, RunConfig
from dvr_ray.data.features import FEATURES, FeatureContext, check_features, genre_novelty
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import DataError
from dvr_ray.training.prepare import prepare


def computed(name: str, known: Described) -> np.ndarray:
    return FEATURES.get(name)().compute(known.context())


def by_definition(name: str, known: Described) -> np.ndarray:
    rows = list(zip(known.log.users.tolist(), known.log.items.tolist(), strict=True))
    facts = Facts(
        rows,
        known.item_table["category"].tolist(),
        known.user_table["gender"].tolist(),
        known.user_table["age_group"].tolist(),
        known.times.tolist(),
    )
    return np.array([ORACLES[name](facts, row) for row in range(len(rows))])


@pytest.mark.parametrize("name", sorted(ORACLES))
@settings(deadline=None, max_examples=60)
@given(log=small_logs(), seed=st.integers(0, 2**32 - 1))
def test_family_equals_its_definition(name: str, log: Interactions, seed: int) -> None:
    known = described(log, seed)
    np.testing.assert_allclose(computed(name, known), by_definition(name, known), atol=1e-9)


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_family_equals_its_definition_on_longer_lists(name: str) -> None:
    known = described(random_log(1, users=20, items=16, rows=110), 1)
    np.testing.assert_allclose(computed(name, known), by_definition(name, known), atol=1e-9)


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_blocks_of_users_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = described(random_log(1, users=20, items=16, rows=110), 1)
    whole = computed("genre-novelty", known)
    monkeypatch.setattr(genre_novelty, "BLOCK_ROWS", rows)
    np.testing.assert_array_equal(computed("genre-novelty", known), whole)


def _three_users() -> Interactions:
    """Users 0 and 1 have items 0, 1, 2; user 2 has items 0 and 3."""
    users = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    return Interactions.from_pairs(users, np.array([0, 1, 2, 0, 1, 2, 0, 3]), 3, 4)


def _compute(name: str, **tables: pd.DataFrame) -> np.ndarray:
    return FEATURES.get(name)().compute(FeatureContext(_three_users(), **tables))


def test_a_strange_category_is_newer_than_a_usual_one() -> None:
    items = pd.DataFrame({"category": ["pop", "pop", "jazz", "jazz"]})
    found = FEATURES.get("genre-novelty")().compute(
        FeatureContext(_three_users(), item_table=items)
    )
    # User 0: item 0 is pop like one of its two others, item 2 is jazz like none.
    assert found[2, 0] > found[0, 0]


def test_a_lone_category_of_a_list_does_not_vouch_for_itself() -> None:
    """Item 2 is user 0's only jazz: without the row, 3 of 8 rows' share is all there is."""
    items = pd.DataFrame({"category": ["pop", "pop", "jazz", "jazz"]})
    found = FEATURES.get("genre-novelty")().compute(
        FeatureContext(_three_users(), item_table=items)
    )
    assert found[2, 0] == pytest.approx(1 - (0 + 3 / 8) / (2 + 1))


def test_an_item_of_the_own_group_is_skewed_and_one_of_the_other_group_is_against_it() -> None:
    """Of 8 rows, 3 are of women. Item 1 is a man's besides user 0, item 0 a man's and a woman's."""
    users = pd.DataFrame({"gender": ["M", "M", "F"]})
    found = _compute("skew", user_table=users)
    assert not found[:, 1].any()
    assert found[1, 0] == pytest.approx(np.log((1 + 5 * 6 / 8) / 6 / (6 / 8)))
    assert found[1, 0] > 0 > found[6, 0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("genre-novelty", ["the items' categories", "items.csv"]),
        ("skew", ["users of two genders or users of two age groups", "users.csv"]),
        ("recency", ["the rows' times", "data.columns.time"]),
        ("burst", ["the rows' times", "data.columns.time"]),
    ],
)
def test_data_without_what_a_family_reads_are_refused_in_one_line(
    name: str, said: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        check_features(["counts", name], FeatureContext(random_log(1)))
    assert caught.value.place == "encoder.features"
    assert all(part in str(caught.value) for part in [name, *said])
    assert "\n" not in str(caught.value)


def test_one_group_alone_is_no_group() -> None:
    log = random_log(1)
    same = pd.DataFrame({"gender": ["F"] * log.num_users})
    with pytest.raises(DataError, match="skew needs users of two genders"):
        check_features(["skew"], FeatureContext(log, user_table=same))
    two = pd.DataFrame({"age_group": ["18-24", "50+"] * (log.num_users // 2)})
    check_features(["skew"], FeatureContext(log, user_table=two))


def test_prepared_data_hold_the_families_of_the_generated_attributes() -> None:
    names = ("popularity", "genre-novelty", "skew")
    data, _ = prepare(
        RunConfig(data=DataConfig(users=60, items=50), encoder=EncoderConfig(features=names))
    )
    assert tuple(data.features) == names
    assert all(values.std(axis=0).min() > 0.5 for values in data.features.values())


def test_a_burst_counts_rows_within_a_thousandth_of_the_span() -> None:
    """The span is 1000, so the window is 1: users 0 and 1 have three rows each, user 2 has two."""
    times = np.array([0, 1, 2.5, 1.5, 500, 1000, 0.5, 700])
    context = FeatureContext(_three_users(), times=times)
    found = FEATURES.get("burst")().compute(context)
    assert found[:, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    # Item 0 is in rows 0, 3 and 6, at 0, 1.5 and .5: row 6 lies within 1 of both others.
    assert found[[0, 3, 6], 1].tolist() == [1, 1, 2]
