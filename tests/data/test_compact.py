"""A compact log is the log, whatever pieces it came in."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.data import compact
from dvr_ray.data.compact import CompactBuilder, CompactLog
from dvr_ray.data.interactions import Interactions, user_parts
from dvr_ray.inference.blocks import Blocks


@settings(deadline=None, max_examples=40)
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=60
    ),
    piece=st.integers(1, 20),
    rows=st.integers(1, 12),
)
def test_pieces_in_any_order_make_the_sorted_log(
    pairs: list[tuple[int, int, int]], piece: int, rows: int
) -> None:
    users, items, times = np.array(pairs).T
    wanted = Interactions.from_pairs(users, items, 9, 6)
    earliest: dict[tuple[int, int], int] = {}
    for user, item, moment in pairs:
        earliest[user, item] = min(moment, earliest.get((user, item), moment))
    with tempfile.TemporaryDirectory() as name:
        builder = CompactBuilder(Path(name) / "log", 9, 6, {"time": "<f8"})
        for start in range(0, len(users), piece):
            part = slice(start, start + piece)
            builder.add(users[part], items[part], time=times[part])
        before, compact.PART_ROWS = compact.PART_ROWS, rows
        found = builder.finish()
        compact.PART_ROWS = before
        again = pickle.loads(pickle.dumps(CompactLog.open(Path(name) / "log")))
        for log in (found, again):
            assert len(log) == len(wanted) and builder.taken == len(pairs)
            for each in ("items", "item_order", "user_offsets", "item_offsets", "user_counts"):
                np.testing.assert_array_equal(getattr(log, each), getattr(wanted, each))
            everything = np.arange(len(log))
            np.testing.assert_array_equal(log.users_of(everything), wanted.users)
            moments = [earliest[key] for key in zip(wanted.users, wanted.items, strict=True)]
            np.testing.assert_array_equal(log.extra("time", everything), moments)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any),
    rows=st.integers(1, 40),
    seed=st.integers(0, 3),
)
def test_every_user_is_in_one_block_and_every_row_in_one_place(
    counts: list[int], rows: int, seed: int
) -> None:
    blocks = Blocks.of(np.array(counts), rows, seed)
    assert sorted(blocks.users) == np.flatnonzero(counts).tolist()
    assert sum(blocks.rows) == sum(counts)
    # No block is larger than an even share by more than a user's rows.
    assert max(blocks.rows) <= sum(counts) / -(-sum(counts) // rows) + max(counts)
    for number in range(len(blocks)):
        users = blocks.of_block(number)
        assert (np.diff(users) > 0).all() and (blocks.number[users] == number).all()
        places = [blocks.first[u] + k for u in users for k in range(counts[u])]
        assert places == list(range(blocks.rows[number]))


@settings(deadline=None, max_examples=60)
@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=30), rows=st.integers(1, 40))
def test_parts_cover_all_users_in_turn(counts: list[int], rows: int) -> None:
    users = np.repeat(np.arange(len(counts)), counts)
    items = np.concatenate([np.arange(count) for count in counts]).astype(np.int64)
    log = Interactions(users, items, len(counts), 9)
    parts = list(user_parts(log, rows))
    assert [first for first, _ in parts] == [0, *(last for _, last in parts[:-1])]
    assert parts[-1][1] == len(counts)
    for first, last in parts:
        assert last == first + 1 or sum(counts[first:last]) <= rows
