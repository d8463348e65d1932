"""The Arrow cache: what comes back is what was parsed, or the files are parsed again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvr_ray.config.schema import ColumnsConfig, DataConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.sources import SOURCES
from dvr_ray.data.sources.lightgcn import LightGcn
from dvr_ray.data.sources.source import Source
from dvr_ray.errors import ConfigError
from dvr_ray.files import cache_folder


class Attributed(Source):
    """A source from outside, with attributes that need care: a column "id", gaps, categories."""

    cached = True
    loads = 0

    def fingerprint(self) -> str:
        return "attributed"

    def load(self) -> Dataset:
        type(self).loads += 1
        log = SOURCES.get("synthetic")(DataConfig(users=4, items=9)).load()
        users = pd.DataFrame({"id": ["a", "b", None, "d"], "age": [1.5, np.nan, 3.0, 4.0]})
        items = pd.DataFrame({"kind": pd.Categorical(list("xyxyxyxyx"))})
        return Dataset(
            self.name, log.interactions, None, np.array([7, 9, 11, 13]), np.arange(9) * 10,
            users, items, self.fingerprint(),
        )  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "train.txt").write_text("5 1 2 3\n9\n7 3 1\n")
    (tmp_path / "log" / "test.txt").write_text("7 2\n5 40\n")
    return DataConfig(source="lightgcn", path=str(tmp_path / "log"))


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("parsed again")


def same(one: Dataset, other: Dataset) -> bool:
    for table in ("user_table", "item_table"):
        # A table without columns has no type of column names to compare.
        pd.testing.assert_frame_equal(
            getattr(one, table), getattr(other, table), check_column_type=False
        )
    assert (one.name, one.fingerprint) == (other.name, other.fingerprint)
    assert (one.test is None) == (other.test is None)
    pairs = [(one.user_ids, other.user_ids), (one.item_ids, other.item_ids)]
    for part in ("interactions", "test"):
        a, b = getattr(one, part), getattr(other, part)
        if a is not None:
            assert (a.num_users, a.num_items) == (b.num_users, b.num_items)
            pairs += [(a.users, b.users), (a.items, b.items)]
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs)


def test_second_load_is_equal_and_parses_nothing(
    cache: Path, config: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_dataset(config)
    assert [path.suffix for path in cache.iterdir()] == [".arrow"]
    monkeypatch.setattr(LightGcn, "parse", refuse)
    assert same(load_dataset(config), first)


def test_cached_arrays_are_writable(cache: Path, config: DataConfig) -> None:
    load_dataset(config)
    again = load_dataset(config)
    assert again.interactions.users.flags.writeable
    assert again.user_ids.flags.writeable


def test_attributes_and_ids_come_back(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES._classes, "attributed", Attributed)
    config = DataConfig(source="attributed")
    before = Attributed.loads
    first, second = load_dataset(config), load_dataset(config)
    assert Attributed.loads == before + 1
    assert same(second, first)
    assert second.test is None
    assert list(second.user_table) == ["id", "age"]


def test_text_ids_times_and_several_categories_come_back(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a.csv").write_text("user,item,time\nu ,1,5\n07,2,3\nu ,1,4\n")
    (tmp_path / "t" / "items.csv").write_text("item,genre,name\n2,x|y,N\n")
    config = DataConfig(source="table", path=str(tmp_path / "t"))
    first, second = load_dataset(config), load_dataset(config)
    assert same(second, first)
    assert second.user_ids.tolist() == ["07", "u "]
    assert second.item_table["category"].tolist() == [(), ("x", "y")]
    assert first.times is not None and second.times is not None and second.places is not None
    assert second.times.tolist() == first.times.tolist() == [3, 4]
    assert second.places.tolist() == [1, 2]
    assert second.dropped == first.dropped == {"repeats": 1}


def test_options_of_the_import_have_caches_of_their_own(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,rating\na,1,5\nb,2,3\nb,1,3\n")
    base = DataConfig(source="table", path=str(tmp_path / "a.csv"))
    options = [{}, {"min_rating": 4.0}, {"core": 1}, {"columns": ColumnsConfig(rating="rating")}]
    configs = [base.model_copy(update=option) for option in options]
    assert [len(load_dataset(config).interactions) for config in configs] == [3, 1, 3, 3]
    assert len(list(cache.iterdir())) == 4


def test_changed_files_are_parsed_again(cache: Path, config: DataConfig) -> None:
    first = load_dataset(config)
    (Path(str(config.path)) / "train.txt").write_text("5 1\n7 3\n")
    second = load_dataset(config)
    assert (len(first.interactions), len(second.interactions)) == (5, 2)
    assert first.fingerprint != second.fingerprint
    assert len(list(cache.iterdir())) == 2


def test_equal_files_elsewhere_share_the_cache_but_not_the_name(
    cache: Path, config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_dataset(config)
    (tmp_path / "log").rename(tmp_path / "moved")
    monkeypatch.setattr(LightGcn, "parse", refuse)
    moved = load_dataset(DataConfig(source="lightgcn", path=str(tmp_path / "moved")))
    assert moved.name == "moved"


def test_no_damaged_byte_changes_what_is_loaded(cache: Path, config: DataConfig) -> None:
    """Every 11th byte is turned over in turn; the file is then rebuilt, padding or not."""
    first = load_dataset(config)
    (path,) = cache.iterdir()
    good = path.read_bytes()
    rebuilt = 0
    for position in range(0, len(good), 11):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        path.write_bytes(bytes(damaged))
        assert same(load_dataset(config), first), position
        rebuilt += path.read_bytes() == good
    assert rebuilt == len(range(0, len(good), 11)) > 100


@pytest.mark.parametrize("content", [b"", b"not Arrow", b"ARROW1\0\0"])
def test_other_content_is_rebuilt(cache: Path, config: DataConfig, content: bytes) -> None:
    first = load_dataset(config)
    (path,) = cache.iterdir()
    good = path.read_bytes()
    for wrong in (content, good[: len(good) // 2]):
        path.write_bytes(wrong)
        assert same(load_dataset(config), first)
        assert path.read_bytes() == good


def test_the_cache_of_other_data_under_this_name_is_not_taken(
    cache: Path, config: DataConfig
) -> None:
    load_dataset(config)
    (path,) = cache.iterdir()
    (Path(str(config.path)) / "train.txt").write_text("5 1\n7 3\n")
    second = load_dataset(config)
    (other,) = set(cache.iterdir()) - {path}
    other.write_bytes(path.read_bytes())
    assert same(load_dataset(config), second)


def test_cache_false_neither_reads_nor_writes(
    cache: Path, config: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = config.model_copy(update={"cache": False})
    load_dataset(off)
    assert not cache.exists()
    load_dataset(config)
    monkeypatch.setattr(LightGcn, "parse", refuse)
    with pytest.raises(AssertionError, match="parsed again"):
        load_dataset(off)


def test_the_generator_is_not_cached(cache: Path) -> None:
    load_dataset(DataConfig(users=5, items=9))
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_fails_nothing(
    tmp_path: Path, config: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "file" / "cache"))
    assert len(load_dataset(config).interactions) == 5


def test_a_broken_write_leaves_nothing_behind(
    cache: Path, config: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert len(load_dataset(config).interactions) == 5
    assert list(cache.iterdir()) == []


def test_no_home_fails_nothing(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*_: object) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DVR_RAY_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert len(load_dataset(config).interactions) == 5


def test_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for given, folder in [
        (str(tmp_path / "x"), tmp_path / "x"),
        ("~/y", tmp_path / "y"),
        ("", tmp_path / ".cache" / "dvr_ray"),
    ]:
        monkeypatch.setenv("DVR_RAY_CACHE", given)
        assert cache_folder() == folder
    monkeypatch.delenv("DVR_RAY_CACHE")
    assert cache_folder() == tmp_path / ".cache" / "dvr_ray"


def test_unknown_source_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(DataConfig(source="lightgnc"))
    assert caught.value.place == "data.source"
    assert "'lightgnc'" in caught.value.rule
    assert "did you mean 'lightgcn'" in caught.value.mend
