"""The importer of ``user item item ...`` files, against a reader with loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.logs import read_lists

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import DataError

ids = st.integers(0, 2**31 - 1)
lines = st.lists(st.lists(ids | st.integers(0, 5), max_size=6), min_size=1, max_size=12)


def load(folder: Path) -> Dataset:
    return SOURCES.get("lightgcn")(DataConfig(source="lightgcn", path=str(folder))).load()


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.txt").write_bytes(text.encode("utf-8"))
    return folder


def original(data: Dataset, part: Interactions) -> set[tuple[int, int]]:
    return set(
        zip(data.user_ids[part.users].tolist(), data.item_ids[part.items].tolist(), strict=True)
    )


@settings(deadline=None, max_examples=60)
@given(train=lines, test=lines, space=st.sampled_from([" ", "  ", "\t"]), end=st.booleans())
def test_any_file_reads_as_by_a_loop(
    tmp_path_factory: pytest.TempPathFactory,
    train: list[list[int]],
    test: list[list[int]],
    space: str,
    end: bool,
) -> None:
    folder = tmp_path_factory.mktemp("log")
    train, test = [[0, 1], *train], [[0, 2], *test]
    for name, rows in (("train", train), ("test", test)):
        text = "\r\n".join(space.join(map(str, row)) for row in rows) + "\n" * end
        (folder / f"{name}.txt").write_bytes(text.encode())
    known = read_lists(folder / "train.txt")
    held = read_lists(folder / "test.txt") - known
    if not held:
        with pytest.raises(DataError, match=r"test\.txt: all \d+ rows are training rows"):
            load(folder)
        return
    data = load(folder)
    assert data.test is not None
    assert original(data, data.interactions) == known
    assert len(data.interactions) == len(known)
    assert original(data, data.test) == held
    assert data.user_ids.tolist() == sorted({row[0] for row in train + test if row})
    assert data.item_ids.tolist() == sorted({item for row in train + test for item in row[1:]})


def test_rows_are_sorted_and_numbered_from_zero(tmp_path: Path) -> None:
    data = load(write(tmp_path, train="70 9 5\n3 5\n"))
    assert data.interactions.users.tolist() == [0, 1, 1]
    assert data.interactions.items.tolist() == [0, 0, 1]
    assert (data.user_ids.tolist(), data.item_ids.tolist()) == ([3, 70], [5, 9])
    assert data.test is None


def test_a_user_without_items_is_kept_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    data = load(write(tmp_path, train="\n0 1\n   \n4\n9 1 2\n\n"))
    assert data.user_ids.tolist() == [0, 4, 9]
    assert data.interactions.user_counts.tolist() == [1, 0, 2]
    assert len(data.user_table) == 3


def test_repeats_collapse_and_test_rows_of_train_are_dropped(tmp_path: Path) -> None:
    data = load(write(tmp_path, train="0 1 1 2\n0 2\n", test="0 2 3 3\n"))
    assert original(data, data.interactions) == {(0, 1), (0, 2)}
    assert len(data.interactions) == 2
    assert data.test is not None
    assert original(data, data.test) == {(0, 3)}
    assert len(data.test) == 1


def test_users_and_items_of_the_test_file_alone_are_numbered_too(tmp_path: Path) -> None:
    data = load(write(tmp_path, train="0 1\n", test="8 1 6\n"))
    assert (data.user_ids.tolist(), data.item_ids.tolist()) == ([0, 8], [1, 6])
    assert data.interactions.num_users == 2
    assert data.interactions.num_items == 2


def test_the_largest_id_is_read(tmp_path: Path) -> None:
    data = load(write(tmp_path, train="2147483647 2147483647 0\n"))
    assert data.item_ids.tolist() == [0, 2**31 - 1]
    assert data.interactions.keys.tolist() == [0, 1]


MALFORMED = [
    ("0 1\n1 x 2\n", ":2", "'x'"),
    ("0 1\n\n\n1 2 1.5\n", ":4", "'1.5'"),
    ("0 1\r\n1 nan\r\n", ":2", "'nan'"),
    ("0 -1\n", ":1", "got -1"),
    ("-7 1\n", ":1", "got -7"),
    ("0 1\n2 2147483648\n", ":2", "got 2147483648"),
    ("0 1\n2 3\n4 99999999999999999999999\n", ":3", "99999999999999999999999"),
    ("0 " + "9" * 5000 + "\n", ":1", "9" * 60),
    ("0 1_000\n", ":1", "'1_000'"),
    ("0 +5\n", ":1", "'+5'"),
    ("0 0x10\n", ":1", "'0x10'"),
    ("0 \uff11\n", ":1", "'\uff11'"),
    ("0,1,2\n", ":1", "'0,1,2'"),
    ("user item\n0 1\n", ":1", "'user'"),
    ("", "", "empty"),
    (" \n\n", "", "no interactions"),
    ("0\n1\n", "", "no interactions"),
]


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize(("text", "line", "value"), MALFORMED)
def test_malformed_files_are_one_line_with_place_and_value(
    tmp_path: Path, name: str, text: str, line: str, value: str
) -> None:
    write(tmp_path, **{"train": "5 6\n", name: text})
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert caught.value.place == f"{tmp_path / name}.txt{line}"
    assert value in caught.value.rule
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.mend


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path: source lightgcn reads a folder, got none"):
        SOURCES.get("lightgcn")(DataConfig(source="lightgcn"))
    with pytest.raises(DataError, match="absent: no such folder"):
        load(tmp_path / "absent")
    with pytest.raises(DataError, match=r"train\.txt: source lightgcn needs this file"):
        load(write(tmp_path, test="0 1\n"))


def test_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    def fingerprint(folder: str, **texts: str) -> str:
        (tmp_path / folder).mkdir()
        return load(write(tmp_path / folder, **texts)).fingerprint

    base = fingerprint("a", train="0 1 2\n")
    assert fingerprint("b", train="0 1 2\n") == base
    others = [
        fingerprint("c", train="0 1 3\n"),
        fingerprint("d", train="0 1 2\n", test="0 4\n"),
        fingerprint("e", train="0 1 2\n", test="0 5\n"),
    ]
    assert len({base, *others}) == 4


def test_arrays_are_int64(tmp_path: Path) -> None:
    data = load(write(tmp_path, train="0 1\n1 2\n"))
    for array in (data.interactions.users, data.interactions.items, data.user_ids, data.item_ids):
        assert array.dtype == np.int64
