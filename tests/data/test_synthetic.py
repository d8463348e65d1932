"""The embedded generator: determinism, skew, attributes that matter, sizes down to the smallest."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from oracles.logs import gini, popularity_and_neighbours

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.sources import SOURCES

DIGEST = """
import hashlib
from dvr_ray.config.schema import DataConfig
from dvr_ray.data.sources import SOURCES
made = SOURCES.get("synthetic")(DataConfig(users=50, items=40, seed=3)).load()
tables = made.user_table.to_csv() + made.item_table.to_csv()
print(hashlib.sha256(made.interactions.keys.tobytes() + tables.encode()).hexdigest())
"""


def made(users: int = 1000, items: int = 800, seed: int = 0) -> Dataset:
    return SOURCES.get("synthetic")(DataConfig(users=users, items=items, seed=seed)).load()


def test_same_seed_gives_the_same_log_in_a_new_process() -> None:
    small = made(50, 40, 3)
    tables = small.user_table.to_csv() + small.item_table.to_csv()
    here = hashlib.sha256(small.interactions.keys.tobytes() + tables.encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, env=environment, check=True
    )
    assert there.stdout.strip() == here


@pytest.mark.parametrize("change", [{"seed": 1}, {"users": 60}, {"items": 50}])
def test_seed_and_sizes_change_log_and_fingerprint(change: dict[str, int]) -> None:
    base = {"users": 50, "items": 40, "seed": 0}
    one, other = made(**base), made(**{**base, **change})
    assert one.fingerprint != other.fingerprint
    assert not np.array_equal(one.interactions.keys, other.interactions.keys)


def test_popularity_is_skewed_as_in_real_logs() -> None:
    """Item Gini index: Gowalla .44, HetRec .54; tastes alone would make .4, equal shares 0."""
    logs = [made(seed=seed).interactions for seed in range(4)]
    assert 0.47 < np.mean([gini(log.item_counts.tolist()) for log in logs]) < 0.57
    for log in logs:
        counts = np.sort(log.item_counts)[::-1]
        assert counts[:160].sum() > 0.5 * len(log)
        # Even the most popular item isn't everybody's.
        assert counts[0] < 0.6 * log.num_users


def test_lists_are_of_real_length() -> None:
    log = made().interactions
    assert 27 < len(log) / 1000 < 35
    assert log.user_counts.min() >= 10
    assert log.user_counts.max() <= 200
    # Lognormal: the mean lies well above the median.
    assert log.user_counts.mean() > 1.1 * np.median(log.user_counts)


@pytest.mark.parametrize(
    ("users", "items", "least", "most"),
    [(2, 2, 1, 1), (20, 3, 1, 1), (20, 15, 7, 7), (20, 20, 10, 10), (20, 200, 10, 50)],
)
def test_small_catalogues_leave_everybody_negatives(
    users: int, items: int, least: int, most: int
) -> None:
    """At most a quarter, or 10 where a quarter is less, or half where half is less than 10."""
    counts = made(users, items).interactions.user_counts
    assert least <= counts.min() <= counts.max() <= most < items


def test_every_user_and_item_has_its_attributes() -> None:
    data = made()
    assert list(data.user_table) == ["gender", "age_group"]
    assert list(data.item_table) == ["category"]
    assert (len(data.user_table), len(data.item_table)) == (1000, 800)
    shares = data.user_table["gender"].value_counts(normalize=True)
    # 40% with a standard error of 1.5%.
    assert abs(shares["F"] - 0.4) < 0.06
    assert set(shares.index) == {"F", "M"}
    assert set(data.user_table["age_group"]) == {"18-24", "25-34", "35-49", "50+"}
    assert data.item_table["category"].nunique() == 12


@pytest.mark.parametrize("column", ["gender", "age_group"])
def test_groups_differ_in_taste_more_than_chance_allows(column: str) -> None:
    """Permutation test on the groups' shares of categories, over users."""
    data = made()
    log = data.interactions
    categories = pd.factorize(data.item_table["category"])[0]
    shares = np.zeros((1000, 12))
    np.add.at(shares, (log.users, categories[log.items]), 1)
    shares /= shares.sum(axis=1, keepdims=True)
    groups = pd.factorize(data.user_table[column])[0]

    def distance(labels: np.ndarray) -> float:
        means = [shares[labels == group].mean(axis=0) for group in np.unique(labels)]
        return float(np.abs(np.array(means) - shares.mean(axis=0)).sum())

    rng = np.random.default_rng(0)
    by_chance = [distance(rng.permutation(groups)) for _ in range(300)]
    assert distance(groups) > max(by_chance)


def test_activity_follows_gender_and_age() -> None:
    """log(rows - 10) has sd .8 and shifts by log 1.1 = .095 for "M", log 1.15 = .14 for the young.

    With 10,000 users a difference of two groups has a standard error of .017; the bound is 3.5.
    """
    data = made(10_000, 400)
    log = np.log(pd.Series(data.interactions.user_counts) - 10 + 0.5)
    gender = log.groupby(data.user_table["gender"]).mean()
    young = log.groupby(data.user_table["age_group"].isin(["18-24", "25-34"])).mean()
    assert abs(gender["M"] - gender["F"] - np.log(1.1)) < 0.06
    assert abs(young[True] - young[False] - np.log(1.15)) < 0.06


def test_neighbours_rank_far_better_than_popularity() -> None:
    """A tenth of the rows is held out at random; 100 users are ranked for."""
    log = made().interactions
    held = np.random.default_rng(1).random(len(log)) < 0.1
    pairs = list(zip(log.users.tolist(), log.items.tolist(), strict=True))
    train = {pair for pair, out in zip(pairs, held, strict=True) if not out}
    popular, near = popularity_and_neighbours(train, set(pairs) - train, range(100), 20)
    assert near > 1.7 * popular > 0
