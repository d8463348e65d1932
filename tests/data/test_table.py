"""Tables of any form against a reader with loops, and against each other."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.imports import in_core, kept, read_csv

from dvr_ray.config.schema import ColumnsConfig, DataConfig
from dvr_ray.data.assemble import _sorted
from dvr_ray.data.assemble import in_core as core_of_rows
from dvr_ray.data.frame import from_frame
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import DataError

COLUMNS = {"user": "user", "item": "item", "rating": "rating", "time": "time"}
texts = st.sampled_from(["7", "07", "a", "a ", " a", "7 ", "ü", "-3", "x,y", "0", "é"])
numbers = st.integers(-4, 4) | st.sampled_from([2**40, -(2**62)])
rows = st.lists(
    st.tuples(texts, texts, st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=25
) | st.lists(
    st.tuples(numbers, numbers, st.integers(1, 5), st.floats(0, 2)), min_size=1, max_size=25
)


def load(path: Path, **options: Any) -> Dataset:
    return SOURCES.get("table")(DataConfig(source="table", path=str(path), **options)).load()


def log_of(data: Dataset) -> dict[tuple[str, str], float]:
    log = data.interactions
    assert data.times is not None
    users, items = data.user_ids[log.users], data.item_ids[log.items]
    pairs = zip(map(str, users.tolist()), map(str, items.tolist()), strict=True)
    return dict(zip(pairs, data.times.tolist(), strict=True))


def write(folder: Path, rows: list[Any], end: str = "\n", mark: str = "") -> Path:
    lines = ["user,item,rating,time"]
    lines += [f'"{user}","{item}",{rating},{time!r}' for user, item, rating, time in rows]
    (folder / "log.csv").write_bytes((mark + end.join(lines) + end).encode())
    return folder / "log.csv"


@settings(deadline=None, max_examples=80)
@given(
    rows=rows,
    least=st.none() | st.integers(1, 4),
    core=st.integers(0, 2),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_any_csv_reads_as_by_a_loop(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    least: int | None,
    core: int,
    end: str,
    mark: str,
) -> None:
    path = write(tmp_path_factory.mktemp("log"), rows, end, mark)
    known = kept(read_csv(path), -np.inf if least is None else least, core)
    options = {"min_rating": None if least is None else float(least), "core": core}
    if not known:
        with pytest.raises(DataError, match="no training row is left"):
            load(path, **options)
        return
    data = load(path, **options)
    assert log_of(data) == {pair: time for pair, (time, _) in known.items()}
    assert len(data.interactions) == len(known)
    for ids, own in ((data.user_ids, 0), (data.item_ids, 1)):
        assert set(map(str, ids.tolist())) == {pair[own] for pair in known}
        assert sorted(ids.tolist()) == ids.tolist()
    dropped = {k: v for k, v in data.dropped.items() if k != "repeats"}
    assert sum(dropped.values()) + data.dropped.get("repeats", 0) + len(known) == len(rows)


def test_all_forms_read_alike(tmp_path: Path) -> None:
    """Csv and tsv, Parquet and frame, plain and gzipped, one file and pieces in a folder."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "who": rng.integers(0, 30, 400),
            "what": [f"item {n} " for n in rng.integers(0, 50, 400)],
            "stars": rng.integers(1, 6, 400) / 2,
            "when": rng.integers(0, 10**9, 400),
        }
    )
    columns = ColumnsConfig(user="who", item="what", rating="stars", time="when")
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.parquet"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    (tmp_path / "pieces").mkdir()
    frame[:150].to_csv(tmp_path / "pieces" / "1.csv", index=False)
    frame[150:].to_parquet(tmp_path / "pieces" / "2.parquet")
    options: dict[str, Any] = {"columns": columns, "min_rating": 1.0, "core": 3}
    base = from_frame(frame, **options)
    assert len(base.interactions) > 100
    assert base.dropped["rows rated below 1"] == int((frame["stars"] < 1).sum())
    names = ("a.csv", "a.tsv", "a.parquet", "a.csv.gz", "a.tsv.gz", "a.parquet.gz", "pieces")
    for name in names:
        data = load(tmp_path / name, **options)
        assert log_of(data) == log_of(base), name
        assert data.places is not None and base.places is not None
        assert data.places.tolist() == base.places.tolist(), name
        assert data.user_ids.tolist() == base.user_ids.tolist()
        assert data.user_ids.dtype == np.int64


def test_columns_without_a_header_are_counted_from_zero(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("5,x,1.5,9\n6,y,2.5,8\n")
    columns = ColumnsConfig(user=1, item=0, rating=2, time=3)
    data = load(tmp_path / "log.csv", columns=columns)
    assert log_of(data) == {("x", "5"): 9, ("y", "6"): 8}


@pytest.mark.parametrize(
    "names", [("userId", "movieId", "rating", "timestamp"), ("User-ID", "Item ID", "Score", "Date")]
)
def test_usual_names_are_found(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "log.csv").write_text(f"more,{','.join(names)}\nq,1,2,5,9\nq,1,3,4,9\n")
    data = load(tmp_path / "log.csv", min_rating=4.5)
    assert log_of(data) == {("1", "2"): 9}


def test_dates_are_ordered_as_times(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,date\n1,2,2020-01-02 00:00:01\n1,3,2020-01-02\n")
    times = log_of(load(tmp_path / "log.csv"))
    assert times["1", "2"] - times["1", "3"] == 1e6


def test_parts_and_tables_of_a_folder_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("user,item\na,1\na,2\n")
    (tmp_path / "valid.csv").write_text("user,item\nb,1\n")
    (tmp_path / "test.csv").write_text("user,item\nb,2\na,1\n")
    (tmp_path / "users.csv").write_text("user,gender,age\nb,female,17\na,m,-1337\nc,F,30\n")
    (tmp_path / "items.csv").write_text('item,title,genres\n2,"Two, too",x|y|x\n')
    data = load(tmp_path)
    assert (len(data.interactions), data.test and len(data.test)) == (3, 1)
    assert data.user_table.to_dict("list") == {
        "gender": ["M", "F"], "age_group": ["unknown", "under 18"],
    }  # fmt: skip
    assert data.item_table.to_dict("list") == {
        "name": ["", "Two, too"], "category": [(), ("x", "y")],
    }  # fmt: skip
    assert data.dropped == {
        "ages outside 1 to 108": 1,
        "test rows that are training rows": 1,
        "listed users without rows": 1,
    }


def test_times_of_the_training_part_need_none_in_the_test_part(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("user,item,time\na,1,7\na,2,8\na,1,6\n")
    (tmp_path / "test.csv").write_text("user,item\nb,2\na,1\n")
    data = load(tmp_path)
    assert log_of(data) == {("a", "1"): 6, ("a", "2"): 8}
    assert data.test is not None
    assert data.dropped == {"test rows that are training rows": 1, "repeats": 1}


def test_large_catalogues_are_sorted_alike() -> None:
    """Keys that leave no bits for places take another way, to the same order."""
    rng = np.random.default_rng(0)
    keys, places = rng.integers(0, 50, 300), np.flatnonzero(rng.random(600) < 0.5)[:300]
    keys = keys[: len(places)]
    few, many = _sorted(keys.copy(), places), _sorted(keys + (2**62 - 50), places)
    assert (many[0] - (2**62 - 50)).tolist() == few[0].tolist() == sorted(keys.tolist())
    assert many[1].tolist() == few[1].tolist()
    expected = sorted(zip(keys.tolist(), places.tolist(), strict=True))
    assert few[1].tolist() == [place for _, place in expected]


def test_frames_differ_in_their_fingerprints() -> None:
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "time": [1, 2, 3]})
    users = pd.DataFrame({"user": [1, 2], "gender": ["F", "M"]})
    seen = [
        from_frame(frame).fingerprint,
        from_frame(frame.assign(time=[1, 2, 4])).fingerprint,
        from_frame(frame, core=1).fingerprint,
        from_frame(frame, users=users).fingerprint,
    ]
    assert len(set(seen)) == 4
    assert from_frame(frame.copy()).fingerprint == seen[0]


pairs = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


@settings(deadline=None, max_examples=80)
@given(pairs=pairs, least=st.integers(1, 5))
def test_the_core_is_that_of_taking_away_one_by_one(
    pairs: set[tuple[int, int]], least: int
) -> None:
    listed = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    inside = core_of_rows(listed[:, 0], listed[:, 1], (7, 7), least)
    found = {(str(user), str(item)) for user, item in listed[inside].tolist()}
    assert found == in_core({(str(user), str(item)) for user, item in pairs}, least)
