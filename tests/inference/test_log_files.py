"""Logs in files: matched by id, whatever the format; wrong ones refused in a clear line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from valued_logs import new_rows, valued, write

from dvr_ray.data.catalogue import Ids
from dvr_ray.data.reading import pieces as reading
from dvr_ray.errors import DataError
from dvr_ray.training.opened import OpenedRun

FORMATS = ["log.parquet", "x.inter", "ratings.dat", "train.txt"]
FORMATS += [pytest.param(each, marks=pytest.mark.slow) for each in ("log.tsv.gz", "data1.txt")]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_values(
    name: str, opened: OpenedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 1000)
    monkeypatch.setattr(reading, "PIECE_ROWS", 130)
    rows = new_rows()
    folder = tmp_path / "log"
    folder.mkdir()
    path = write(rows, folder / name)
    whole = name.endswith((".inter", ".dat", ".txt"))
    found = valued(opened, folder if whole else path, tmp_path / "out")
    pairs = rows.drop_duplicates(["user", "item"]).sort_values(["user", "item"])
    np.testing.assert_array_equal(found[["user", "item"]], pairs[["user", "item"]])
    plain = valued(opened, write(rows, tmp_path / "plain.csv"), tmp_path / "again")
    pd.testing.assert_frame_equal(found.reset_index(drop=True), plain.reset_index(drop=True))


def test_low_ratings_and_unknown_ids_are_counted(opened: OpenedRun, tmp_path: Path) -> None:
    rows = new_rows()
    more = pd.DataFrame({"user": [999, 5], "item": [3, 81], "rating": [5, 5], "time": [0, 0]})
    path = write(pd.concat([rows, more]), tmp_path / "log.csv")
    out = tmp_path / "out"
    found = valued(opened, path, out, min_rating=3.0, skip_unknown=True)
    kept = rows[rows["rating"] >= 3]
    assert len(found) == len(kept.drop_duplicates(["user", "item"]))
    dropped = json.loads((out / "values.json").read_text())["dropped"]
    assert dropped["rows rated below 3"] == len(rows) - len(kept)
    assert dropped["rows of unknown users or items"] == 2
    assert dropped["repeats"] == len(kept) - len(found)


def test_text_ids_are_matched_as_they_are_written(opened: OpenedRun, tmp_path: Path) -> None:
    users = np.array([f"0{number}" for number in range(300)], dtype=object)
    catalogue = replace(opened.catalogue, users=Ids("user", users))
    rows = new_rows().assign(user=lambda each: "0" + each["user"].astype(str))
    path = write(rows, tmp_path / "log.csv")
    named = replace(opened, catalogue=catalogue)
    found = valued(named, path, tmp_path / "out")
    assert set(found["user_number"]) == {int(each[1:]) for each in rows["user"]}
    with pytest.raises(DataError, match="none of its users is known"):
        valued(named, write(new_rows(), tmp_path / "other.csv"), tmp_path / "no")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


WRONG: dict[str, tuple[str, Any, str]] = {
    "unknown user": (
        "log.csv", lambda rows: rows.assign(user=rows["user"] + 10),
        "all users must be known to the run, got 10 unknown: '30[0-9]', .* and 7 more",
    ),
    "unknown item": (
        "log.parquet", lambda rows: rows.assign(item=rows["item"] + 2),
        "all items must be known to the run, got 2 unknown: '8[01]'",
    ),
    "another catalogue": (
        "log.csv", lambda rows: rows.assign(item="x" + rows["item"].astype(str)),
        "another catalogue: none of its items is known to the run, e.g. 'x",
    ),
    "no column": (
        "log.csv", lambda rows: rows.rename(columns={"item": "thing"}), "needs a column of items",
    ),
    "half-written": ("log.parquet", None, "must be a whole Parquet file"),
    "broken line": (
        "log.csv", lambda rows: rows.assign(rating="x"), "csv:2: rating must be a finite number",
    ),
    "nothing": ("log.csv", lambda rows: rows.assign(rating=0), "no row is left to value"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_log_is_refused_in_one_line(case: str, opened: OpenedRun, tmp_path: Path) -> None:
    name, change, rule = WRONG[case]
    rows = new_rows()
    path = write(rows if change is None else change(rows), tmp_path / name)
    if change is None:
        _cut(path)
    with pytest.raises(DataError, match=rule) as found:
        valued(opened, path, tmp_path / "out", min_rating=1.0)
    assert "\n" not in str(found.value) and not list((tmp_path / "out").glob("*.parquet"))


@settings(deadline=None, max_examples=30)
@given(
    pairs=st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4)), min_size=1, max_size=30),
    text=st.booleans(),
    dictionary=st.booleans(),
)
def test_ids_are_found_as_a_loop_finds_them(
    pairs: list[tuple[int, int]], text: bool, dictionary: bool
) -> None:
    known = np.array([-3, 0, 4, 7])
    ids = Ids("user", known.astype(str).astype(object) if text else known)
    written = [user for user, _ in pairs]
    column = pa.chunked_array([pa.array(written[:7]), pa.array(written[7:], pa.int64())])
    if dictionary:
        column = column.cast(pa.string()).cast(pa.dictionary(pa.int32(), pa.string()))
    place = {int(each): number for number, each in enumerate(known)}
    assert ids.numbers(column).tolist() == [place.get(each, -1) for each in written]
