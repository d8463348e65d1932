"""`from dvr_ray import DVR`: the same numbers as the command line's code, and every wrong input."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from dvr_ray import DVR
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import CheckpointError, ConfigError, DataError
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run

TINY: dict[str, Any] = {
    "backbone.dim": 8,
    "valuator.units": 4,
    "encoder.features": ["agreement", "counts"],
    "adapter.masks": 2,
    "training": {"epochs": 3, "warmup": 1, "batch_size": 256},
}


def _log() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    user = rng.integers(0, 40, 900)
    item = 4 * rng.integers(0, 12, 900) + user % 4
    return pd.DataFrame({"user": [f"u{k}" for k in user], "item": item}).drop_duplicates()


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return _log()


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    return pd.DataFrame({"item": np.arange(48), "name": [f"song {k}" for k in range(48)]})


@pytest.fixture(scope="module")
def model(log: pd.DataFrame, items: pd.DataFrame) -> DVR:
    return DVR(TINY).fit(log, items=items)


def test_a_fit_is_a_run_on_the_same_table(model: DVR, log: pd.DataFrame, tmp_path: Path) -> None:
    log.to_csv(tmp_path / "log.csv", index=False)
    wanted = {"data.source": "table", "data.path": str(tmp_path / "log.csv")}
    config = apply(RunConfig(), TINY | wanted)
    run(RunRequest(config, prepare(config)[0], tmp_path / "run"), Silent())
    names = ("model.safetensors", "valuator.safetensors")
    for name in names:
        ours, theirs = load_file(model.folder_ / name), load_file(tmp_path / "run" / name)
        assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)
    table = pd.read_parquet(tmp_path / "run" / "values.parquet")
    pd.testing.assert_frame_equal(
        model.value()[list(table)], table, check_categorical=False, check_dtype=False
    )


def test_recommended_is_what_users_lack(model: DVR, log: pd.DataFrame) -> None:
    found = model.recommend(["u3", "u1"], k=4)
    assert found["user"].tolist() == ["u3"] * 4 + ["u1"] * 4
    assert found["item.name"].tolist() == [f"song {item}" for item in found["item"]]
    has = set(log.itertuples(index=False, name=None))
    assert not has & set(found[["user", "item"]].itertuples(index=False, name=None))
    assert len(model.recommend(k=1)) == 40


def test_a_saved_model_is_the_same_wherever_it_is_moved(model: DVR, tmp_path: Path) -> None:
    shown = model.save(tmp_path / "saved")
    shutil.move(shown, tmp_path / "moved")
    again = DVR.load(tmp_path / "moved")
    pd.testing.assert_frame_equal(again.recommend(k=3), model.recommend(k=3))
    pd.testing.assert_frame_equal(again.value(), model.value())
    assert again.result_ == model.result_ and not (tmp_path / "moved" / "checkpoints").exists()
    assert "not fitted" in repr(DVR()) and str(tmp_path / "moved") in repr(again)
    with pytest.raises(DataError, match="must be a new or an empty folder"):
        again.save(tmp_path / "moved")


def test_a_folder_of_its_own_goes_with_the_model(log: pd.DataFrame) -> None:
    model = DVR(TINY | {"method.name": "bpr"}).fit(log)
    folder = model.folder_
    with pytest.raises(CheckpointError, match="method bpr values nothing"):
        model.value()
    assert folder.exists()
    del model
    assert not folder.exists()


CONFIGS: dict[str, tuple[Any, str]] = {
    "unknown key": ({"training.epoch": 3}, "training.epoch: unknown key 'epoch'.*'epochs'"),
    "unknown part": ({"backbone.name": "bprmff"}, "DVR: backbone.name.*'bprmf'"),
    "no file": (Path("nowhere.yaml"), "nowhere.yaml"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_wrong_config(case: str) -> None:
    given, rule = CONFIGS[case]
    with pytest.raises(ConfigError, match=rule):
        DVR(given)


def test_wrong_frames(model: DVR, log: pd.DataFrame, tmp_path: Path) -> None:
    for frame, rule in (
        (log.drop(columns="user"), "frame: .*user"),
        (log.assign(item=[1, "x"] + [2] * (len(log) - 2)), "frame: columns must be of one type"),
        (log.head(3), "log: "),
    ):
        with pytest.raises(DataError, match=rule):
            DVR(TINY).fit(frame, folder=tmp_path / "run")
    with pytest.raises(DataError, match=r"frame: .*item"):
        model.value(log[["user"]])
    for rows, rule in (
        (
            {"user": ["u1", "ann"], "item": [1, 1]},
            "frame: all users must.*1 unknown: 'ann'",
        ),
        ({"user": ["u1", "u2"], "item": [1, 99]}, "frame: all items must.*skip_unknown"),
        ({"user": ["ann"], "item": [1]}, "frame: is of another catalogue"),
        ({"user": ["u1", None], "item": [1, 2]}, "frame: row 2: user must hold an id"),
        ({"user": [], "item": []}, "frame: .*no interactions"),
    ):
        with pytest.raises(DataError, match=rule):
            model.value(pd.DataFrame(rows))
    with pytest.raises(ConfigError, match="passes: must be >= 1, got 0"):
        model.value(log, passes=0)


def test_wrong_calls(model: DVR, log: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("value", "recommend"):
        with pytest.raises(ConfigError, match="DVR: must be fitted first"):
            getattr(DVR(TINY), name)()
    with pytest.raises(DataError, match="users: the run knows 40 users, not 'ann'"):
        model.recommend(["ann"])
    with pytest.raises(ConfigError, match="k: must be >= 1, got 0"):
        model.recommend(["u1"], k=0)
    with pytest.raises(CheckpointError, match="no such folder"):
        DVR.load(tmp_path / "nowhere")
    folder = model.save(tmp_path / "taken")
    with pytest.raises(ConfigError, match="holds a run already"):
        DVR(TINY).fit(log, folder=folder)
    with pytest.raises(AttributeError, match="no attribute 'DVRR'"):
        import dvr_ray

        _ = dvr_ray.DVRR
