"""The importer of ``user item plays`` files, against a reader with loops."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.logs import read_plays

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import DataError

ids = st.integers(0, 4) | st.integers(0, 2**31 - 1)
plays = st.sampled_from(["1", "0", "13883", "3.2466e+05", "1E3", ".5", "+2", " 7", "2. "])


def load(folder: Path) -> Dataset:
    return SOURCES.get("hetrec")(DataConfig(source="hetrec", path=str(folder))).load()


def original(data: Dataset, part: Interactions) -> set[tuple[int, int]]:
    return set(
        zip(data.user_ids[part.users].tolist(), data.item_ids[part.items].tolist(), strict=True)
    )


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(ids, ids, plays), min_size=1, max_size=15),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
)
def test_any_file_reads_as_by_a_loop(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str]], end: str
) -> None:
    """Plays in all forms that Arrow reads, and blank lines."""
    path = tmp_path_factory.mktemp("log") / "data1.txt"
    path.write_bytes(end.join("\t".join(map(str, row)) for row in rows).encode())
    data = load(path.parent)
    known = read_plays(path)
    assert original(data, data.interactions) == known
    assert len(data.interactions) == len(known)
    assert data.user_ids.tolist() == sorted({user for user, _ in known})
    assert data.item_ids.tolist() == sorted({item for _, item in known})


def test_test_file_is_read_and_cleaned_of_train(tmp_path: Path) -> None:
    (tmp_path / "data1.txt").write_text("3\t8\t10\n3\t9\t1e2\n")
    (tmp_path / "test1.txt").write_text("3\t8\t5\n4\t8\t5\n")
    data = load(tmp_path)
    assert original(data, data.interactions) == {(3, 8), (3, 9)}
    assert data.test is not None
    assert original(data, data.test) == {(4, 8)}


GOOD = "1\t2\t3\n"
MALFORMED = [
    (GOOD + "1\t2\n", ":2", "got 2: '1\\t2'"),
    (GOOD + "1\t2\t3\t4\n", ":2", "got 4: '1\\t2\\t3\\t4'"),
    (GOOD + "\n1 2 3\n", ":3", "got 1: '1 2 3'"),
    (GOOD + "1\t2\tnan\n", ":2", "'nan'"),
    (GOOD + "1\t2\tNaN\n", ":2", "'NaN'"),
    (GOOD + "1\t2\tinf\n", ":2", "'inf'"),
    (GOOD + "1\t2\t1e999\n", ":2", "'1e999'"),
    (GOOD + "1\t2\tmany\n", ":2", "'many'"),
    (GOOD + "1\t2\t\n", ":2", "got ''"),
    (GOOD + "1\t2\t1_0\n", ":2", "'1_0'"),
    (GOOD + "-1\t2\t3\n", ":2", "got -1"),
    (GOOD + "1\t-2\t3\n", ":2", "got -2"),
    (GOOD + "1\t2147483648\t3\n", ":2", "got 2147483648"),
    (GOOD + "99999999999999999999\t2\t3\n", ":2", "99999999999999999999"),
    (GOOD + "1\t2.5\t3\n", ":2", "'2.5'"),
    (GOOD + "1e3\t2\t3\n", ":2", "'1e3'"),
    (GOOD + "1_0\t2\t3\n", ":2", "'1_0'"),
    (GOOD + "0x1F\t2\t3\n", ":2", "'0x1F'"),
    (GOOD + "\t2\t3\n", ":2", "got ''"),
    ('"1"\t2\t3\n' + GOOD, ":1", "'\"1\"'"),
    ("userID\tartistID\tweight\n" + GOOD, ":1", "'userID'"),
    (GOOD + "x" * 5000 + "\n", ":2", "x" * 60),
    ("", "", "empty"),
    ("\n\n", "", "no interactions"),
]


@pytest.mark.parametrize("name", ["data1.txt", "test1.txt"])
@pytest.mark.parametrize(("text", "line", "value"), MALFORMED)
def test_malformed_files_are_one_line_with_place_and_value(
    tmp_path: Path, name: str, text: str, line: str, value: str
) -> None:
    (tmp_path / "data1.txt").write_text("7\t7\t7\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert caught.value.place == f"{tmp_path / name}{line}"
    assert value in caught.value.rule
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.mend


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path: source hetrec reads a folder, got none"):
        SOURCES.get("hetrec")(DataConfig(source="hetrec"))
    with pytest.raises(DataError, match="absent: no such folder"):
        load(tmp_path / "absent")
    with pytest.raises(DataError, match=r"data1\.txt: source hetrec needs this file"):
        load(tmp_path)


def test_equal_train_and_test_leave_no_test(tmp_path: Path) -> None:
    for name in ("data1.txt", "test1.txt"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(DataError, match=r"test1\.txt: all 1 rows are training rows"):
        load(tmp_path)
