"""Only rows that are older than a time are held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.load import apply
from dvr_ray.config.schema import NoiseConfig, RunConfig, SplitConfig
from dvr_ray.data.frame import from_frame
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.split import split
from dvr_ray.errors import ConfigError, DataError

NONE = NoiseConfig()
DAY = 86_400


def log(users: int = 40, items: int = 30, unit: int = 1) -> Dataset:
    """Half of every pair, one a day from 2024-01-01 on, in an order of its own."""
    rng = np.random.default_rng(0)
    pairs = np.flatnonzero(rng.random(users * items) < 0.5)
    days = rng.permutation(len(pairs))
    return from_frame(
        pd.DataFrame(
            {
                "user": pairs // items,
                "item": pairs % items,
                "time": (1_704_067_200 + days * DAY) * unit,
            }
        )
    )


def keys(part: Interactions) -> set[int]:
    return set(part.keys.tolist())


def parts(data: Dataset, config: SplitConfig) -> list[set[int]]:
    trial, sealed = split(data, config, NONE, 0)
    return [
        keys(part) for part in (trial.train, trial.reward, trial.selection, sealed.interactions)
    ]


@settings(deadline=None, max_examples=30)
@given(days=st.integers(150, 500), seed=st.integers(0, 5))
def test_newer_rows_all_train_and_older_ones_are_held_out_by_their_shares(
    days: int, seed: int
) -> None:
    data = log()
    before = 1_704_067_200.0 + days * DAY
    train, *held = parts(data, SplitConfig(before=before, seed=seed, reward=0.2))
    assert data.times is not None
    old = set(data.interactions.keys[data.times < before].tolist())
    assert len(old) == days
    everything = train.union(*held)
    assert everything == keys(data.interactions) and set().union(*held) <= old
    # Each user's u moves a part by less than a row.
    for part, share in zip(held, (0.2, 0.1, 0.1), strict=True):
        assert abs(len(part) - share * len(old)) < 40
    counts = np.bincount([key // data.interactions.num_items for key in train], minlength=40)
    assert counts.min() >= 1


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("date", ["2024-12-01", "2024-12-01T00:00:00", "2024-12-01T02:00:00+02:00"])
def test_a_date_is_a_time_in_the_unit_of_the_log(date: str, unit: int) -> None:
    """334 days after the first."""
    data = log(unit=unit)
    number = SplitConfig(before=float((1_704_067_200 + 335 * DAY) * unit))
    assert parts(data, SplitConfig(before=date)) == parts(data, number)


def test_without_it_nothing_has_changed() -> None:
    data = log()
    late = SplitConfig(before=1e12)
    assert parts(data, SplitConfig()) == parts(data, late)
    found = [split(data, config, NONE, 0)[0].fingerprint for config in (SplitConfig(), late)]
    assert found[0] != found[1]


def test_what_cannot_be_done_is_one_line() -> None:
    data = log()
    with pytest.raises(DataError, match=r"the reward part must hold rows.*raise split\.before"):
        parts(data, SplitConfig(before="2023-01-01"))
    bare = from_frame(pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 0]}))
    with pytest.raises(DataError, match=r"split\.before: needs times"):
        parts(bare, SplitConfig(before=5.0))
    with pytest.raises(ConfigError, match="must be a number or an ISO date, got 'spring'"):
        apply(RunConfig(), {"split.before": "spring"})
    with pytest.raises(ConfigError, match="before needs by: random"):
        apply(RunConfig(), {"split.before": 5.0, "split.by": "time"})
