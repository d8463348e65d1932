"""Every kind of planted noise: how much, whose, when, and never on a true row."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from feature_logs import random_log
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.schema import DataConfig, NoiseConfig, SplitConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.interactions import Interactions
from dvr_ray.data.noise import NOISES, Planting, plant, with_newcomers
from dvr_ray.data.split import split
from dvr_ray.errors import DataError

KINDS = NOISES.names()
SMALL = {"push": {"targets": 3}, "mix": {"targets": 3}, "bots": {"users": 4}}


def config(kind: str, share: float = 0.2) -> NoiseConfig:
    return NoiseConfig(kind=kind, share=share, **SMALL.get(kind, {}))


def logs(seed: int) -> tuple[Interactions, Interactions]:
    """Disjoint train and held-out rows of 40 users and 60 items."""
    whole = random_log(seed, users=40, items=60, rows=400)
    held = np.random.default_rng(seed).random(len(whole)) < 0.2
    cut = [
        Interactions.from_pairs(whole.users[rows], whole.items[rows], 40, 60)
        for rows in (~held, held)
    ]
    return cut[0], cut[1]


def planted_pairs(found: Planting) -> list[tuple[int, int]]:
    rows = found.train
    return list(
        zip(rows.users[found.planted].tolist(), rows.items[found.planted].tolist(), strict=True)
    )


def test_every_kind_can_be_named_in_a_config() -> None:
    named = get_args(NoiseConfig.model_fields["kind"].annotation)
    assert sorted(named) == sorted([*KINDS, "none"])


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=15)
@given(log=st.integers(0, 99), seed=st.integers(0, 99))
def test_planted_rows_are_new_and_the_others_are_real(kind: str, log: int, seed: int) -> None:
    train, held = logs(log)
    times = np.random.default_rng(log).integers(100, 200, len(train))
    found = plant(train, [held], config(kind), seed, times)
    rows = found.train
    assert (np.diff(rows.keys) > 0).all()
    assert not np.isin(rows.keys[found.planted], np.concatenate([train.keys, held.keys])).any()
    kept = np.isin(train.keys, rows.keys[~found.planted])
    assert kept.sum() == (~found.planted).sum()
    assert kept.all() or kind == "swapped"
    assert found.times is not None
    assert np.array_equal(found.times[~found.planted], times[kept])
    assert times.min() <= found.times.min() <= found.times.max() <= times.max() + 1
    assert found.times.dtype == times.dtype
    assert rows.num_users == 40 + len(found.newcomers)
    assert (rows.user_counts[40:] > 0).all()
    again = plant(train, [held], config(kind), seed)
    assert np.array_equal(again.train.keys, rows.keys)
    assert again.times is None


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_rows_are_planted_as_the_share_says(kind: str) -> None:
    train, held = logs(0)
    wanted = round(0.2 * len(train))
    number = int(plant(train, [held], config(kind), 3).planted.sum())
    most = {"mix": 2 * wanted}.get(kind, wanted)
    # Whole pairs, targets, bots, or users don't always divide it.
    slack = {"push": 3, "mix": 3, "bots": 4, "swapped": 1}.get(kind, 0)
    if kind == "duplicates":
        assert 0 < number <= wanted
    else:
        assert abs(number - most) <= slack


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_plants_other_rows_and_no_share_none(kind: str) -> None:
    train, held = logs(0)
    one, other = (plant(train, [held], config(kind), seed) for seed in (1, 2))
    assert not np.array_equal(one.train.keys, other.train.keys)
    assert not plant(train, [held], config(kind, 0), 1).planted.any()


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_parts_are_the_same_with_and_without_noise(kind: str) -> None:
    data = load_dataset(DataConfig(users=80, items=70))
    noise = config(kind)
    clean, sealed = split(data, SplitConfig(), NoiseConfig(), 0)
    noisy, test = split(data, SplitConfig(), noise, 0)
    for one, other in (
        (clean.reward, noisy.reward),
        (clean.selection, noisy.selection),
        (sealed.interactions, test.interactions),
    ):
        assert np.array_equal(one.keys, other.keys)
        assert other.num_users == noisy.train.num_users == len(noisy.user_ids)
    assert len(set(noisy.user_ids.tolist())) == len(noisy.user_table) == noisy.train.num_users
    assert noisy.user_table["gender"].isna().sum() == 0
    assert clean.fingerprint != noisy.fingerprint


def test_popular_items_get_more_of_popular_noise() -> None:
    """Item 0 has 9 of 10 rows: so have pairs drawn by popularity, up to 5 standard errors."""
    train = Interactions.from_pairs(np.arange(10), np.array([0] * 9 + [1]), 400, 2)
    found = plant(train, [], NoiseConfig(kind="popular", share=5), 0)
    share = np.mean([item == 0 for _, item in planted_pairs(found)])
    assert abs(share - 0.9) < 5 * np.sqrt(0.9 * 0.1 / 50)


def test_swapping_keeps_the_lengths_of_lists_and_the_popularity_of_items() -> None:
    train, held = logs(1)
    found = plant(train, [held], config("swapped"), 0)
    assert np.array_equal(found.train.user_counts, train.user_counts)
    assert np.array_equal(found.train.item_counts, train.item_counts)


@pytest.mark.parametrize(("kind", "users"), [("half-users", None), ("stale", None), ("floods", 3)])
def test_chosen_users_alone_get_rows(kind: str, users: int | None) -> None:
    train, held = logs(2)
    found = plant(train, [held], NoiseConfig(kind=kind, share=0.3, users=users), 0)
    got = {user for user, _ in planted_pairs(found)}
    present = int((train.user_counts > 0).sum())
    assert 0 < len(got) <= (users or present // 2)
    assert kind != "floods" or len(got) == 3


def test_half_of_the_users_get_rows_in_proportion_to_their_lists() -> None:
    train, held = logs(2)
    found = plant(train, [held], NoiseConfig(kind="half-users", share=0.2), 0)
    new = found.train.user_counts - train.user_counts
    chosen = new > 0
    ratio = new[chosen].sum() / train.user_counts[chosen].sum()
    assert np.abs(new[chosen] - ratio * train.user_counts[chosen]).max() <= 1.5


def test_stale_items_are_another_users_and_old() -> None:
    """Two users with disjoint lists: what one carries is the other's, from its older half."""
    users, items = np.repeat([0, 1], 8), np.arange(16)
    train = Interactions.from_pairs(users, items, 2, 40)
    times = np.tile(np.arange(8) * 100, 2)
    found = plant(train, [], NoiseConfig(kind="stale", share=0.25, users=1), 0, times)
    (owner, *_), borrowed = zip(*planted_pairs(found), strict=True)
    assert len(borrowed) == 4
    assert all((item < 8) == (owner == 1) and item < 16 for item in borrowed)
    assert found.times is not None
    assert found.times[found.planted].max() <= 400


def test_bots_share_one_list_and_act_in_a_moment() -> None:
    train, held = logs(3)
    times = np.random.default_rng(0).random(len(train)) * 1e6
    found = plant(train, [held], NoiseConfig(kind="bots", share=0.2, users=4), 0, times)
    lists = [sorted(i for u, i in planted_pairs(found) if u == bot) for bot in range(40, 44)]
    assert lists[0]
    assert all(each == lists[0] for each in lists)
    assert found.newcomers.tolist() == [-1] * 4
    assert found.times is not None
    spans = [np.ptp(found.times[found.train.users == bot]) for bot in range(40, 44)]
    assert max(spans) <= 1e3


def test_duplicates_are_whole_copies_with_the_originals_times() -> None:
    train, held = logs(4)
    times = np.random.default_rng(0).random(len(train))
    found = plant(train, [held], NoiseConfig(kind="duplicates", share=0.5), 0, times)
    rows = found.train
    assert len(found.newcomers)
    assert found.times is not None
    for copy, original in enumerate(found.newcomers.tolist(), start=40):
        mine, theirs = rows.users == copy, rows.users == original
        assert np.array_equal(rows.items[mine], rows.items[theirs])
        assert np.array_equal(found.times[mine], found.times[theirs])


def test_newcomers_get_new_ids_and_copies_their_originals_attributes() -> None:
    table = pd.DataFrame({"gender": ["F", "M"]})
    ids, longer = with_newcomers(np.array([3, 7]), table, np.array([1, -1]))
    assert ids.tolist() == [3, 7, 8, 9]
    assert longer["gender"].tolist() == ["F", "M", "M", "unknown"]
    texts = np.array(["ann", "planted-1"], dtype=object)
    assert with_newcomers(texts, table, np.array([0]))[0][-1] == "planted--1"


@pytest.mark.parametrize(
    ("noise", "place", "value"),
    [
        (NoiseConfig(kind="uniform", share=0.1, users=3), "data.noise.users", "got 3"),
        (NoiseConfig(kind="popular", share=5), "data.noise", "popular noise of"),
        (NoiseConfig(kind="swapped", share=2), "data.noise.share", "must find a row"),
        (NoiseConfig(kind="half-users", share=0.1, users=50), "data.noise.users", "got 50"),
        (NoiseConfig(kind="floods", share=1, users=1), "data.noise", "floods gives a user"),
        (NoiseConfig(kind="stale", share=5, users=1), "data.noise", "stale gives a user"),
        (NoiseConfig(kind="bots", share=0.1), "data.noise", "200 bots"),
        (NoiseConfig(kind="bots", share=4, users=1), "data.noise", "1 bots"),
        (NoiseConfig(kind="duplicates", share=2), "data.noise.share", "got 2.0"),
        (NoiseConfig(kind="duplicates", share=1e-4), "data.noise.share", "a whole user"),
    ],
)
def test_impossible_amounts_are_refused_in_one_line(
    noise: NoiseConfig, place: str, value: str
) -> None:
    train, _ = logs(5)
    # Few items, so that there is little room.
    few = train.items < 20
    train = Interactions(train.users[few], train.items[few], 40, 20)
    with pytest.raises(DataError) as caught:
        plant(train, [], noise, 0)
    assert caught.value.place == place
    assert value in caught.value.rule
    assert caught.value.mend
    assert "\n" not in str(caught.value)
