"""What is written in another format, or as a split, reads as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.reach import reachable

from dvr_ray.config.schema import DataConfig, NoiseConfig, SplitConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.export import FORMATS, convert, write_parts
from dvr_ray.data.frame import from_frame
from dvr_ray.data.guess import guess
from dvr_ray.data.interactions import Dataset, Interactions, SealedTest, TrialData
from dvr_ray.data.sources import SOURCES
from dvr_ray.data.split import split
from dvr_ray.errors import DataError

NONE = NoiseConfig()
SOURCE = {"parquet": "table", "inter": "recbole", "lightgcn": "lightgcn"}


def log(text: bool = True, test: bool = False) -> Dataset:
    """Build a log of 40 users and 60 items with times and attributes, ids of text or numbers."""
    rng = np.random.default_rng(3)
    users, items = rng.integers(0, 40, 900), rng.integers(0, 60, 900)
    prefix = "é " if text else 1000
    frame = pd.DataFrame({"user": users, "item": items, "time": rng.integers(0, 99, 900)})
    if text:
        frame = frame.assign(user=[f"{prefix}{n}" for n in users], item=[f"{n} " for n in items])
    ids = frame["user"].unique()
    people = pd.DataFrame({"user": ids, "gender": ["F", "M"] * 20, "age": range(40)})
    things = frame[["item"]].drop_duplicates().assign(category="a b|c", name="An item")
    data = from_frame(frame, users=people, items=things)
    if not test:
        return data
    known = data.interactions
    held = np.arange(len(known)) % 5 == 0
    parts = [Interactions(known.users[rows], known.items[rows], 40, 60) for rows in (~held, held)]
    return Dataset(
        "log.v1", parts[0], parts[1], data.user_ids, data.item_ids, data.user_table,
        data.item_table, "f",
    )  # fmt: skip


def pairs(data: Dataset, part: Interactions | None) -> set[tuple[str, str]]:
    assert part is not None
    users, items = data.user_ids[part.users], data.item_ids[part.items]
    return set(zip(map(str, users.tolist()), map(str, items.tolist()), strict=True))


def read(folder: Path, form: str) -> Dataset:
    assert guess(folder) == SOURCE[form]
    return load_dataset(DataConfig(source=SOURCE[form], path=str(folder), cache=False))


def test_every_format_is_read_back() -> None:
    assert set(FORMATS) == set(SOURCE)


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("test", [False, True])
def test_converted_logs_read_as_they_were(tmp_path: Path, form: str, test: bool) -> None:
    data = log(text=form != "lightgcn", test=test)
    convert(data, form, tmp_path / "out")
    again = read(tmp_path / "out", form)
    assert pairs(again, again.interactions) == pairs(data, data.interactions)
    assert (again.test is None) == (not test)
    if test:
        assert pairs(again, again.test) == pairs(data, data.test)
    if form != "lightgcn":
        pd.testing.assert_frame_equal(again.user_table, data.user_table)
        assert again.item_table["name"].tolist() == ["An item"] * 60
        token = "a_b" if form == "inter" else "a b"
        assert again.item_table["category"].tolist() == [(token, "c")] * 60
        assert test or again.times is not None
        if again.times is not None and data.times is not None:
            assert again.times.tolist() == data.times.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_lightgcn_lists_the_ids_that_it_cannot_hold(tmp_path: Path) -> None:
    data = log()
    convert(data, "lightgcn", tmp_path)
    rows = [line.split("\t") for line in (tmp_path / "user_list.txt").read_text().splitlines()]
    assert rows[0] == ["org_id", "remap_id"]
    assert [row[0] for row in rows[1:]] == data.user_ids.tolist()
    again = read(tmp_path, "lightgcn")
    assert again.interactions.keys.tolist() == data.interactions.keys.tolist()


def test_names_that_would_break_a_line_are_refused(tmp_path: Path) -> None:
    data = from_frame(pd.DataFrame({"user": ["a\tb"], "item": ["x"]}))
    with pytest.raises(DataError, match=r"--to inter: user must hold no tab.*got 'a\\tb'"):
        convert(data, "inter", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(DataError, match="must be a new or an empty folder"):
        convert(log(), "parquet", tmp_path)
    with pytest.raises(DataError, match="unknown format 'parquer'; did you mean 'parquet'"):
        convert(log(), "parquer", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.fixture
def parted(tmp_path: Path) -> tuple[Path, TrialData, SealedTest]:
    data, test = split(log(), SplitConfig(), NONE, 0)
    write_parts(data, test, {"split": "x"}, tmp_path / "parts")
    return tmp_path / "parts", data, test


@pytest.mark.parametrize("cache", [False, True])
def test_a_written_split_is_read_as_it_was(
    parted: tuple[Path, TrialData, SealedTest],
    cache: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "cache"))
    folder, data, test = parted
    assert guess(folder) == "parts"
    config = DataConfig(source="parts", path=str(folder), cache=cache)
    load_dataset(config)
    noise = NoiseConfig(kind="uniform", share=0.2)
    for other in (SplitConfig(), SplitConfig(seed=5, reward=0.3), SplitConfig(by="time")):
        again, sealed = split(load_dataset(config), other, NONE, 0)
        for name in ("train", "reward", "selection"):
            assert getattr(again, name).keys.tolist() == getattr(data, name).keys.tolist()
        assert sealed.interactions.keys.tolist() == test.interactions.keys.tolist()
    assert again.user_ids.tolist() == data.user_ids.tolist()
    pd.testing.assert_frame_equal(again.user_table, data.user_table)
    pd.testing.assert_frame_equal(again.item_table, data.item_table)
    planted, _ = split(load_dataset(config), SplitConfig(), noise, 3)
    expected, _ = split(log(), SplitConfig(), noise, 3)
    assert planted.train.keys.tolist() == expected.train.keys.tolist()


def test_the_test_part_of_a_written_split_stays_sealed(
    parted: tuple[Path, TrialData, SealedTest],
) -> None:
    dataset = load_dataset(DataConfig(source="parts", path=str(parted[0]), cache=False))
    data, sealed = split(dataset, SplitConfig(), NONE, 0)
    hidden = sealed.interactions
    for thing in reachable(data):
        assert not isinstance(thing, SealedTest | Dataset)
        if isinstance(thing, Interactions):
            assert not np.isin(thing.keys, hidden.keys).any()
        if isinstance(thing, np.ndarray):
            assert not np.shares_memory(thing, hidden.users)
            assert not np.shares_memory(thing, hidden.items)


def test_hashes_are_those_of_the_files(parted: tuple[Path, TrialData, SealedTest]) -> None:
    folder = parted[0]
    about = json.loads((folder / "split.json").read_text())
    names = {path.name for path in folder.iterdir()} - {"split.json"}
    assert set(about["sha256"]) == names
    for name, digest in about["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert about["rows"]["test"] == len(parted[2].interactions)


@pytest.mark.parametrize("name", ["train", "reward", "selection", "test", "users", "items"])
def test_a_part_that_was_changed_is_refused(
    parted: tuple[Path, TrialData, SealedTest], name: str
) -> None:
    path = parted[0] / f"{name}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=rf"{name}\.parquet: must have the SHA-256 .* split anew"):
        load_dataset(DataConfig(source="parts", path=str(parted[0]), cache=False))


def test_wrong_parts_are_refused(parted: tuple[Path, TrialData, SealedTest]) -> None:
    folder = str(parted[0])
    with pytest.raises(DataError, match=r"data\.core: does nothing for source parts, got 5"):
        load_dataset(DataConfig(source="parts", path=folder, core=5, cache=False))
    dataset = load_dataset(DataConfig(source="parts", path=folder, cache=False))
    with pytest.raises(DataError, match="is a split in four parts"):
        convert(dataset, "inter", parted[0] / "out")
    (parted[0] / "split.json").write_text("[]")
    with pytest.raises(DataError, match=r"split\.json: must be JSON with hashes"):
        SOURCES.get("parts")(DataConfig(source="parts", path=folder)).load()
    (parted[0] / "test.parquet").unlink()
    with pytest.raises(DataError, match=r"test\.parquet: source parts needs this file"):
        SOURCES.get("parts")(DataConfig(source="parts", path=folder)).load()
