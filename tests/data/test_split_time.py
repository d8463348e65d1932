"""The last rows of every user, against a loop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.imports import last_rows

from dvr_ray.config.schema import NoiseConfig, SplitConfig
from dvr_ray.data.frame import from_frame
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.split import split
from dvr_ray.errors import DataError

NONE = NoiseConfig()
rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 5)), min_size=60, max_size=90
)


def pairs(data: Dataset, part: Interactions) -> set[tuple[str, str]]:
    users, items = data.user_ids[part.users], data.item_ids[part.items]
    return set(zip(map(str, users.tolist()), map(str, items.tolist()), strict=True))


@settings(deadline=None, max_examples=80)
@given(rows=rows, last=st.integers(1, 4), given_test=st.booleans())
def test_the_last_rows_are_held_out_ties_by_place(
    rows: list[tuple[int, int, int]], last: int, given_test: bool
) -> None:
    """User 9 has rows enough for every part."""
    rows = [*rows, *((9, item, item % 7) for item in range(20))]
    data = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))
    known: dict[tuple[str, str], tuple[float, int]] = {}
    for place, (user, item, time) in enumerate(rows):
        pair = str(user), str(item)
        known[pair] = min(known.get(pair, (time, place)), (time, place))
    if given_test:
        data = with_test(data)
    number = last_rows(known, last, 2 if given_test else 3)
    trial, sealed = split(data, SplitConfig(by="time", last=last), NONE, 0)
    found = [trial.train, trial.reward, trial.selection]
    found += [] if given_test else [sealed.interactions]
    for part, held in enumerate(found):
        assert pairs(data, held) == {pair for pair, own in number.items() if own == part}


def with_test(data: Dataset) -> Dataset:
    """Give user 9 a test row of an item that is new."""
    log = data.interactions
    users, items = len(data.user_ids), len(data.item_ids) + 1
    return Dataset(
        data.name, Interactions(log.users, log.items, users, items),
        Interactions.from_pairs(np.array([users - 1]), np.array([items - 1]), users, items),
        data.user_ids, np.append(data.item_ids, 99), pd.DataFrame(index=range(users)),
        pd.DataFrame(index=range(items)), "f", data.times, data.places,
    )  # fmt: skip


def test_short_lists_give_to_test_first() -> None:
    """Lists of 1, 2, 3 and 4 rows: each keeps its first row."""
    rows = [(user, item, item) for user in range(4) for item in range(user + 1)]
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    data = from_frame(pd.concat([frame, pd.DataFrame({"user": [0], "item": [7], "time": [-1]})]))
    trial, sealed = split(data, SplitConfig(by="time"), NONE, 0)
    assert sealed.interactions.user_counts.tolist() == [1, 1, 1, 1]
    assert trial.selection.user_counts.tolist() == [0, 0, 1, 1]
    assert trial.reward.user_counts.tolist() == [0, 0, 0, 1]
    assert trial.train.user_counts.tolist() == [1, 1, 1, 1]


def test_a_log_without_times_is_refused_in_one_line() -> None:
    frame = pd.DataFrame({"user": np.repeat(range(9), 9), "item": np.tile(range(9), 9)})
    with pytest.raises(DataError) as caught:
        split(from_frame(frame), SplitConfig(by="time"), NONE, 0)
    assert caught.value.place == "split.by"
    assert "without any: frame" in caught.value.rule
    assert "split.by to random" in caught.value.mend


def test_the_part_that_is_empty_is_named_with_its_mend() -> None:
    data = from_frame(pd.DataFrame({"user": [1, 1], "item": [1, 2], "time": [1, 2]}))
    with pytest.raises(DataError, match=r"reward part must hold rows.*raise split\.last"):
        split(data, SplitConfig(by="time"), NONE, 0)
