"""Counts of the real logs, which were also counted with awk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.logs import read_plays

from dvr_ray.config.schema import DataConfig, NoiseConfig, SplitConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.guess import guess
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.split import split

pytestmark = pytest.mark.data


def load(root: Path, source: str, folder: str, **options: Any) -> Dataset:
    path = root / folder
    if not path.is_dir():
        pytest.skip(f"real data are absent: {path}")
    return load_dataset(DataConfig(source=source, path=str(path), cache=False, **options))


@pytest.fixture(scope="module")
def gowalla(data_root: Path) -> Dataset:
    return load(data_root, "lightgcn", "gowalla")


@pytest.fixture(scope="module")
def lastfm(data_root: Path) -> Dataset:
    return load(data_root, "hetrec", "lastfm-hetrec")


def test_gowalla_has_its_published_counts(gowalla: Dataset) -> None:
    assert gowalla.test is not None
    assert (len(gowalla.user_ids), len(gowalla.item_ids)) == (29_858, 40_981)
    assert (len(gowalla.interactions), len(gowalla.test)) == (810_128, 217_242)


def test_lastfm_has_its_counts(lastfm: Dataset) -> None:
    """Users are numbered 1 to 1,892 in the files, but 12 of them have no row in either."""
    assert lastfm.test is not None
    assert (len(lastfm.interactions), len(lastfm.test)) == (42_135, 10_533)
    assert len(lastfm.item_ids) == 4_489
    assert lastfm.user_ids.max() == 1_892
    assert len(lastfm.user_ids) == 1_892 - 12


def test_lastfm_reads_as_by_a_loop(data_root: Path, lastfm: Dataset) -> None:
    log = lastfm.interactions
    users, items = lastfm.user_ids[log.users], lastfm.item_ids[log.items]
    pairs = set(zip(users.tolist(), items.tolist(), strict=True))
    assert pairs == read_plays(data_root / "lastfm-hetrec" / "data1.txt")


def test_gowalla_splits_beside_its_test_file(gowalla: Dataset) -> None:
    noise = NoiseConfig(kind="uniform", share=0.1)
    data, sealed = split(gowalla, SplitConfig(), noise, 0)
    assert sealed.interactions is gowalla.test
    assert data.planted is not None
    assert data.planted.sum() == round(0.1 * (~data.planted).sum())
    real = len(data.train) - data.planted.sum() + len(data.reward) + len(data.selection)
    assert real == 810_128
    # One uniform draw per user: a share of .1, with a standard error of at most sqrt(U) / 2 rows.
    for part in (data.reward, data.selection):
        assert abs(len(part) - 81_012.8) < 4.5 * np.sqrt(29_858) / 2


# Counts that the readme of the data states: users, items, rows, test rows.
STATED = {
    "gowalla": ("lightgcn", 29_858, 40_981, 810_128, 217_242),
    "amazon-cd-hgcf": ("lightgcn", 22_947, 18_395, 328_779, 93_522),
    "lastfm-hetrec": ("hetrec", 1_892 - 12, 4_489, 42_135, 10_533),
    "lastfm-hetrec-original": ("hetrec-original", 1_892, 17_632, 92_834, None),
    "ml-1m": ("movielens", 6_040, 3_706, 1_000_209, None),
    "ml-100k": ("movielens", 943, 1_682, 100_000, None),
    "amazon-beauty-s3rec": ("s3rec", 22_363, 12_101, 198_502, None),
    "lastfm360k-nl-sample": ("recbole", 8_769, 10_397, 38_726, None),
}


@pytest.mark.parametrize("folder", STATED)
def test_every_folder_is_guessed_and_has_its_stated_counts(data_root: Path, folder: str) -> None:
    source, users, items, rows, held = STATED[folder]
    data = load(data_root, source, folder)
    assert guess(data_root / folder) == source
    assert (len(data.user_ids), len(data.item_ids)) == (users, items)
    assert (len(data.interactions), None if data.test is None else len(data.test)) == (rows, held)
    assert not {"repeats", "test rows that are training rows"} & set(data.dropped)


def test_ml_1m_has_its_ratings_genders_bands_and_genres(data_root: Path) -> None:
    data = load(data_root, "movielens", "ml-1m")
    assert data.times is None
    assert data.user_table["gender"].value_counts().to_dict() == {"M": 4_331, "F": 1_709}
    assert data.user_table["age_group"].nunique() == 7
    assert data.item_table["category"].explode().nunique() == 18
    assert data.dropped == {"listed items without rows": 3_883 - 3_706}
    high = load(data_root, "movielens", "ml-1m", min_rating=4.0)
    assert len(high.interactions) == 348_971 + 226_310
    counts = (data.interactions.user_counts.min(), data.interactions.user_counts.max())
    assert counts == (20, 2_314)


def test_ml_100k_has_its_users_and_splits_by_time(data_root: Path) -> None:
    data = load(data_root, "movielens", "ml-100k")
    assert data.user_table["gender"].value_counts().to_dict() == {"M": 670, "F": 273}
    names = data.item_table["name"]
    assert int(names.duplicated().sum()) == 18
    assert names[data.item_ids.tolist().index(267)] == "unknown"
    trial, sealed = split(data, SplitConfig(by="time", last=1), NoiseConfig(), 0)
    parts = (trial.reward, trial.selection, sealed.interactions)
    assert [len(part) for part in parts] == [943] * 3
    assert data.times is not None
    last = np.maximum.reduceat(data.times, data.interactions.user_offsets[:-1])
    rows = np.searchsorted(data.interactions.keys, sealed.interactions.keys)
    assert data.times[rows].tolist() == last.tolist()


def test_beauty_has_its_attributes(data_root: Path) -> None:
    data = load(data_root, "s3rec", "amazon-beauty-s3rec")
    category = data.item_table["category"]
    assert category.explode().nunique() == 637
    assert category.map(len).min() == 1
    repeats = data.dropped["repeated attributes of an item"]
    assert round((category.map(len).sum() + repeats) / 12_101, 2) == 3.72


def test_the_original_lastfm_has_names_and_tags(data_root: Path) -> None:
    data = load(data_root, "hetrec-original", "lastfm-hetrec-original")
    assert (data.item_table["name"] != "").all()
    assert int((data.item_table["category"].map(len) > 0).sum()) == 12_133
    assert data.dropped == {"listed items without rows": 390}


def test_lastfm_360k_keeps_ids_that_end_in_a_space_and_counts_ages(data_root: Path) -> None:
    data = load(data_root, "recbole", "lastfm360k-nl-sample")
    ids = [*data.user_ids.tolist(), *data.item_ids.tolist()]
    assert sum(each.endswith(" ") for each in ids) == 4
    assert data.dropped["empty ages"] == 1_405
    assert data.dropped["listed users without rows"] == 23
    assert data.interactions.user_counts.max() == 12
