"""From a run config to trial data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dvr_ray.config.schema import Component, DataConfig, NoiseConfig, RunConfig, SplitConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.split import split
from dvr_ray.errors import DataError
from dvr_ray.training.prepare import prepare

DATA = DataConfig(users=60, items=50, seed=4, noise=NoiseConfig(kind="uniform", share=0.2))


def test_prepare_is_load_then_split() -> None:
    config = RunConfig(data=DATA, split=SplitConfig(seed=9), method=Component(name="bpr"))
    data, sealed = prepare(config)
    expected, test = split(load_dataset(DATA), config.split, DATA.noise, DATA.seed)
    assert data.fingerprint == expected.fingerprint
    for part in ("train", "reward", "selection"):
        assert np.array_equal(getattr(data, part).keys, getattr(expected, part).keys)
    assert np.array_equal(sealed.interactions.keys, test.interactions.keys)
    assert data.planted is not None
    assert data.planted.sum() == round(0.2 * (~data.planted).sum())


def test_the_run_seed_leaves_the_data_alone() -> None:
    one, other = (
        prepare(RunConfig(data=DATA, seed=seed, method=Component(name="bpr")))[0] for seed in (0, 1)
    )
    assert one.fingerprint == other.fingerprint
    assert np.array_equal(one.train.keys, other.train.keys)


@pytest.mark.parametrize(("users", "items"), [(2, 2), (3, 3)])
def test_the_tiniest_generated_logs_are_refused_in_one_line(users: int, items: int) -> None:
    with pytest.raises(DataError) as caught:
        prepare(RunConfig(data=DataConfig(users=users, items=items), method=Component(name="bpr")))
    assert caught.value.place == "synthetic"
    assert "part must hold rows" in caught.value.rule


def test_small_generated_logs_split() -> None:
    data, sealed = prepare(
        RunConfig(data=DataConfig(users=20, items=15), method=Component(name="bpr"))
    )
    assert min(map(len, (data.train, data.reward, data.selection, sealed.interactions))) > 0


def test_folders_are_read(tmp_path: Path) -> None:
    lines = [f"{user} " + " ".join(str(user + i) for i in range(10)) for user in range(20)]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    source = DataConfig(source="lightgcn", path=str(tmp_path), cache=False)
    data, sealed = prepare(RunConfig(data=source, method=Component(name="bpr")))
    parts = (data.train, data.reward, data.selection, sealed.interactions)
    assert sum(map(len, parts)) == 200
    assert data.name == tmp_path.name
