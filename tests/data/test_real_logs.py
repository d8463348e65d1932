"""Counts of the real logs, which were also counted with awk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracles.logs import read_plays

from dvr_ray.config.schema import DataConfig, NoiseConfig, SplitConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.split import split

pytestmark = pytest.mark.data


def load(root: Path, source: str, folder: str) -> Dataset:
    path = root / folder
    if not path.is_dir():
        pytest.skip(f"real data are absent: {path}")
    return load_dataset(DataConfig(source=source, path=str(path), cache=False))


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
