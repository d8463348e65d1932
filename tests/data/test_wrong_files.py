"""Files that can't be read: one line with file and line, value and mend, for every format."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dvr_ray.config.schema import ColumnsConfig, DataConfig
from dvr_ray.data.frame import from_frame
from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import DataError

GOOD = "user,item,rating,time\na,x,5,1\nb,y,4,2\n"
INTER = "user_id:token\titem_id:token\trating:float\n"
S3 = {"B.txt": "1 2\n3 4\n"}
JSON = "B_item2attributes.json"
# source, files, place below the folder, what the line must say
CASES: list[tuple[str, dict[str, str | bytes], str, str]] = [
    ("table", {"a.csv": GOOD + "c,z,3\n"}, "a.csv:4", "4 fields (user, item, rating, time), got 3"),
    ("table", {"a.csv": GOOD + "c,z,3,4,5\n"}, "a.csv:4", "got 5: 'c,z,3,4,5'"),
    ("table", {"a.csv": GOOD + "c,z,nan,4\n"}, "a.csv:4",
     "rating must be a finite number, got 'nan'"),
    ("table", {"a.csv": GOOD + "c,z,,4\n"}, "a.csv:4", "rating must be a finite number, got ''"),
    ("table", {"a.csv": GOOD + "c,z,inf,4\n"}, "a.csv:4", "got 'inf'"),
    ("table", {"a.csv": GOOD + "\nc,z,good,4\n"}, "a.csv:5", "got 'good'"),
    ("table", {"a.csv": GOOD + "c,z,3,noon\n"}, "a.csv:4", "or an ISO date, got 'noon'"),
    ("table", {"a.csv": GOOD + "c,z,3,nan\n"}, "a.csv:4", "got 'nan'"),
    ("table", {"a.csv": GOOD + ",z,3,4\n"}, "a.csv:4", "user must hold an id, got ''"),
    ("table", {"a.csv": GOOD + '"",z,3,4\n'}, "a.csv:4", "user must hold an id, got ''"),
    ("table", {"a.csv": GOOD.encode() + b"J\xf6rg,z,3,4\n"}, "a.csv:4",
     "must be UTF-8, got the byte 0xf6"),
    ("table", {"a.csv": GOOD.encode("utf-16")}, "a.csv:1", "must be UTF-8, got the byte 0xff"),
    ("table", {"a.csv": ""}, "a.csv", "the file is empty"),
    ("table", {"a.csv": "\n\n"}, "a.csv", "the file holds no line"),
    ("table", {"a.csv": "user,item\n"}, "a.csv", "the file holds no interactions"),
    ("table", {"a.csv": "user,user,item\n1,2,3\n"}, "a.csv:1", "got 'user' twice"),
    ("table", {"a.csv": GOOD.replace("item", "thing")}, "a.csv", "needs a column of items"),
    ("table", {"a.csv.gz": gzip.compress(GOOD.encode() * 999)[:-40]}, "a.csv.gz",
     "whole gzip file"),
    ("table", {"a.csv.gz": GOOD}, "a.csv.gz", "must be a whole gzip file"),
    ("table", {"a.csv.gz": ""}, "a.csv.gz", "the file is empty"),
    ("table", {"a.parquet": "PAR1 not really PAR1"}, "a.parquet", "must be a whole Parquet file"),
    ("table", {"a.parquet": ""}, "a.parquet", "the file is empty"),
    ("table", {"a.txt": GOOD}, "", "must hold tables"),
    ("table", {"test.csv": GOOD, "b.csv": GOOD}, "", "got b.csv, test.csv"),
    ("table", {"test.csv": GOOD}, "", "got test.csv"),
    ("table", {"a.csv": GOOD, "a.tsv": GOOD}, "", "each once"),
    ("table", {"a.csv": GOOD, "users.csv": "name,age\nx,3\n"}, "users.csv", "needs a column user"),
    ("table", {"a.csv": GOOD, "users.csv": "user,age\nx\n"}, "users.csv:2", "must hold 2 fields"),
    ("recbole", {"a.inter": "user_id\titem_id\n1\t2\n"}, "a.inter:1", "name:type"),
    ("recbole", {"a.inter": "user_id:token\titem_id:int\n1\t2\n"}, "a.inter:1", "'item_id:int'"),
    ("recbole", {"a.inter": INTER + "1\t2\n"}, "a.inter:2", "must hold 3 fields"),
    ("recbole", {"a.inter": INTER + "1\t2\tx\n"}, "a.inter:2", "got 'x'"),
    ("recbole", {"a.inter": INTER, "b.inter": INTER}, "", "got a.inter, b.inter"),
    ("recbole", {"a.inter": INTER, "a.train.inter": INTER}, "", "got a.inter, a.train.inter"),
    ("recbole", {"a.test.inter": INTER}, "", "got a.test.inter"),
    ("recbole", {"a.inter": INTER + "1\t2\t3\n", "a.user": "age:float\n3\n"}, "a.user",
     "column user"),
    ("movielens", {"u.data": "1\t2\t3\n1 2 3\n"}, "u.data:2", "must hold 3 fields"),
    ("movielens", {"u.data": "1 2 3 4\n"}, "u.data:1", "separated by '\\t'"),
    ("movielens", {"u.data": "1\t2\t3\t4\n-1\t2\t3\t4\n"}, "u.data:2", "got -1"),
    ("movielens", {"u.data": "1\t2\t3\t4\n2147483648\t2\t3\t4\n"}, "u.data:2", "got 2147483648"),
    ("movielens", {"u.data": "1\t2\t3\t4\n0x1F\t2\t3\t4\n"}, "u.data:2", "got '0x1F'"),
    ("movielens", {"ratings.dat": "1::2::3::4\n1::b::3::4\n"}, "ratings.dat:2", "got 'b'"),
    ("movielens", {"ratings.dat": "1::2::3::4\n1::2::3\n"}, "ratings.dat:2", "got 3: '1::2::3'"),
    ("movielens", {"ratings.dat": "1::2::3\n1:x:2::3\n"}, "ratings.dat:2", "got 2: '1:x:2::3'"),
    ("movielens", {"ratings.csv": "userId,rating\n1,2\n"}, "ratings.csv",
     "needs a column of items"),
    ("movielens", {"u.data": "1\t2\t3\t4\n", "u.item": "1|x\n"}, "u.item:1", "must hold 24 fields"),
    ("movielens", {"u.data": "1\t2\t3\t4\n", "u.user": "1|2|M|x\n"}, "u.user:1", "hold 5 fields"),
    ("s3rec", S3 | {JSON: "{"}, JSON, "must be JSON"),
    ("s3rec", S3 | {JSON: "[1]"}, JSON, "must map items to lists"),
    ("s3rec", S3 | {JSON: '{"2": 7}'}, f"{JSON}: item '2'", "got '7'"),
    ("s3rec", {JSON: "{}"}, "B.txt", "needs this file"),
    ("s3rec", {"B.txt": "1 2\n1 x\n", JSON: "{}"}, "B.txt:2", "'x'"),
    ("hetrec-original", {"user_artists.dat": "userID\tartistID\tweight\n1\t2\n"},
     "user_artists.dat:2", "got 2"),
    ("lightgcn", {"train.txt.gz": gzip.compress(b"0 1\n" * 99)[:-9]}, "train.txt.gz", "whole gzip"),
    ("lightgcn", {"train.txt.gz": gzip.compress(b"0 1\n1 -2\n")}, "train.txt.gz:2", "-2"),
]  # fmt: skip


def fails(folder: Path, source: str, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        SOURCES.get(source)(DataConfig(source=source, path=str(folder), **options)).load()
    line = str(caught.value)
    assert "\n" not in line and caught.value.mend and len(line) < 700
    return caught.value


@pytest.mark.parametrize(
    ("source", "files", "place", "value"), CASES, ids=[f"{c[0]} {c[2]} {c[3][:30]}" for c in CASES]
)
def test_wrong_file_is_named_with_line_and_value(
    tmp_path: Path, source: str, files: dict[str, str | bytes], place: str, value: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    rated = 1.0 if source in ("table", "recbole") and "user,item\n" not in files.values() else None
    error = fails(tmp_path, source, min_rating=rated)
    assert error.place == f"{tmp_path}/{place}".rstrip("/")
    assert value in error.rule


FRAME = pd.DataFrame({"user": [1, 2, 3], "item": ["x", "y", "z"], "rating": [1.0, 2.0, 3.0]})
FRAMES: list[tuple[pd.DataFrame, str, str]] = [
    (FRAME.assign(rating=[1.0, np.nan, 2.0]), ": row 2", "rating must be a finite number, got no"),
    (FRAME.assign(rating=[1.0, 2.0, np.inf]), ": row 3", "got 'inf'"),
    (FRAME.assign(rating=["a", "b", "c"]), "", "rating must hold numbers or dates, got"),
    (FRAME.assign(item=["x", None, "z"]), ": row 2", "item must hold an id, got nothing"),
    (FRAME.assign(item=["x", "", "z"]), ": row 2", "item must hold an id, got ''"),
    (FRAME.assign(user=[1.0, 2.0, 3.5]), "", "whole numbers or text, got double"),
    (FRAME.assign(user=[1, "b", 3]), "", "one type each"),
    (FRAME.assign(user=[True, False, True]), "", "whole numbers or text, got bool"),
    (FRAME.drop(columns="item"), "", "needs a column of items, got none"),
    (FRAME.head(0), "", "holds no interactions"),
]


@pytest.mark.parametrize(("frame", "place", "value"), FRAMES)
def test_wrong_frames_and_parquet_say_alike(
    tmp_path: Path, frame: pd.DataFrame, place: str, value: str
) -> None:
    with pytest.raises(DataError) as caught:
        from_frame(frame, min_rating=1)
    assert caught.value.place == f"frame{place}"
    assert value in caught.value.rule
    if "one type" not in value:
        frame.to_parquet(tmp_path / "a.parquet")
        error = fails(tmp_path, "table", min_rating=1.0)
        assert error.place == f"{tmp_path}/a.parquet{place}"
        assert value in error.rule


def test_no_truncated_parquet_is_read(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for length in range(1, len(whole), 97):
        (tmp_path / "a.parquet").write_bytes(whole[:length])
        assert "whole Parquet file" in fails(tmp_path, "table").rule


@pytest.mark.parametrize(
    ("columns", "place", "value", "mend"),
    [
        ({"user": "usr"}, "a.csv", "has no column 'usr', as data.columns.user says", "'user'"),
        ({"user": 9, "item": 1}, "a.csv", "data.columns.user must be 0 to 3, got 9", "from 0"),
        ({"user": 0, "item": "item"}, "data.columns", "must all be names, or all numbers", "alike"),
        ({"user": "item"}, "a.csv", "one column can't serve twice, got 'item'", "data.columns"),
        ({"rating": "item"}, "a.csv", "one column can't serve twice", "data.columns"),
        (
            {"rating": "user", "user": "rating"},
            "a.csv:2",
            "user must be a finite number, got 'a'",
            "",
        ),
    ],
)
def test_wrong_columns_are_named_with_the_nearest(
    tmp_path: Path, columns: dict[str, Any], place: str, value: str, mend: str
) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    error = fails(tmp_path, "table", columns=ColumnsConfig(**columns))
    assert error.place.removeprefix(f"{tmp_path}/") == place
    assert value in error.rule
    assert mend in error.mend


def test_negative_and_huge_ids_are_ids_where_no_format_forbids_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"user,item\n-5,{2**62}\n{2**31},7\n")
    data = SOURCES.get("table")(DataConfig(source="table", path=str(tmp_path))).load()
    assert data.user_ids.tolist() == [-5, 2**31]
    (tmp_path / "a.csv").write_text(f"user,item\n-5,{2**80}\n{2**31},7\n")
    data = SOURCES.get("table")(DataConfig(source="table", path=str(tmp_path))).load()
    assert data.item_ids.tolist() == [str(2**80), "7"]


@pytest.mark.parametrize("late", ["007", "0x10", " 16", "16 ", "+16", "-0", "1e1"])
def test_ids_that_only_look_whole_stay_text_wherever_they_stand(tmp_path: Path, late: str) -> None:
    """The first megabytes hold whole numbers only."""
    lines = "".join(f"{n},{n % 97}\n" for n in range(120_000))
    (tmp_path / "a.csv").write_text(f"user,item\n{lines}{late},5\n")
    assert (tmp_path / "a.csv").stat().st_size > 1 << 20
    data = SOURCES.get("table")(DataConfig(source="table", path=str(tmp_path))).load()
    assert len(data.user_ids) == 120_001
    assert late in data.user_ids.tolist()


@pytest.mark.parametrize(
    ("source", "options", "place"),
    [
        ("lightgcn", {"columns": ColumnsConfig(user="u")}, "data.columns"),
        ("s3rec", {"columns": ColumnsConfig(time=3)}, "data.columns"),
        ("synthetic", {"core": 3}, "data.core"),
        ("synthetic", {"min_rating": 0.0}, "data.min_rating"),
        ("parts", {"min_rating": 2.0}, "data.min_rating"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    tmp_path: Path, source: str, options: dict[str, Any], place: str
) -> None:
    error = fails(tmp_path, source, **options)
    assert error.place == place
    assert f"does nothing for source {source}, got" in error.rule


def test_rating_thresholds_need_ratings(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 1\n")
    error = fails(tmp_path, "lightgcn", min_rating=3.0)
    assert error.place == "data.min_rating"
    assert "got 3 and no ratings" in error.rule


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.txt").write_text("0 1\n")
    source = SOURCES.get("lightgcn")(DataConfig(source="lightgcn", path=str(tmp_path)))
    source.fingerprint()
    (tmp_path / "train.txt").write_text("0 1 2\n")
    with pytest.raises(DataError, match="files were changed while they were read; run again"):
        source.load()
