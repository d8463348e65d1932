"""A valuator learned in a run of its own, or taken from one, and held fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_run import SMALL

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import ConfigError, RunError
from dvr_ray.training.build import check
from dvr_ray.training.opened import open_run
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import read_rows

FIXED = {"method": {"name": "dvr", "pretrained": True}}


def _run(changes: dict[str, Any], folder: Path, reporter: Any = None) -> dict[str, Any]:
    config = apply(RunConfig(), SMALL | {"training.epochs": 6} | changes)
    check(config)
    return run(RunRequest(config, prepare(config)[0], folder), reporter or Silent())


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint") / "run"
    _run({}, folder)
    return folder


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixed") / "run"
    _run(FIXED, folder)
    return folder


def test_the_first_run_is_the_joint_one_and_its_valuator_stays(joint: Path, fixed: Path) -> None:
    learned = load_file(joint / "valuator.safetensors")
    for folder in (fixed / "pretraining", fixed):
        stored = load_file(folder / "valuator.safetensors")
        assert stored.keys() == learned.keys()
        assert all(torch.equal(stored[name], learned[name]) for name in learned)
    first = load_file(fixed / "pretraining" / "model.safetensors")
    second = load_file(fixed / "model.safetensors")
    assert any(not torch.equal(first[name], second[name]) for name in first)
    told = open_run(fixed).result["pretrained"]
    assert set(told) == {"run", "valuator", "seconds", "best_epoch"}
    assert told["best_epoch"] == open_run(joint).result["best_epoch"] and told["seconds"] > 0


def test_rows_are_drawn_anew_and_nothing_explores(fixed: Path) -> None:
    rows = [row for row in read_rows(fixed) if row["phase"] == "bilevel"]
    assert [row["epoch"] for row in rows] == [3, 4, 5, 6]
    for row in rows:
        assert len(row["monitors"]["reward_per_mask"]) == 1 and row["adopted"]
        assert row["monitors"]["worth_error_fresh"] > 0 and len(row["monitors"]["coverage"]) == 2
        assert 0 < row["monitors"]["selection_overlap"] < 1 or row is rows[0]
    assert len({row["monitors"]["value_spread"] for row in rows}) > 1  # other batches


def test_a_valuator_of_another_log_values_by_its_weights(joint: Path, tmp_path: Path) -> None:
    elsewhere = {
        "data.users": 70,
        "data.seed": 3,
        "method": {"name": "dvr", "pretrained": str(joint)},
    }
    done = _run(elsewhere, tmp_path / "run")
    learned, kept = (load_file(f / "valuator.safetensors") for f in (joint, tmp_path / "run"))
    assert all(torch.equal(kept[name], learned[name]) for name in learned)
    assert done["pretrained"]["run"] == str(joint) and len(done["pretrained"]["valuator"]) == 16
    assert not (tmp_path / "run" / "pretraining").exists()


class _Killed:
    """Ends a run after some reports."""

    def __init__(self, reports: int) -> None:
        self._left = reports

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self._left -= 1
        if not self._left:
            raise RunError("run", "was stopped", "resume")


@pytest.mark.parametrize("reports", [1, 4])
def test_a_resumed_run_equals_an_unbroken_one(reports: int, fixed: Path, tmp_path: Path) -> None:
    """Cut in the warm-up and after it."""
    with pytest.raises(RunError):
        _run(FIXED, tmp_path / "run", _Killed(reports))
    _run(FIXED, tmp_path / "run")
    whole, resumed = (load_file(f / "model.safetensors") for f in (fixed, tmp_path / "run"))
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


def test_runs_that_do_not_fit_are_refused(joint: Path, tmp_path: Path) -> None:
    named = {"method": {"name": "dvr", "pretrained": str(joint)}}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"valuator.units": 7}, f"pretrained: valuator.units must be as in {joint}, 6, got 7"),
        (
            {"encoder.features": ["loss"]},
            "encoder.features must be as in .*got .loss.; set",
        ),
        ({"training.dtype": "float32"}, "training.dtype must be as in"),
        ({"method": {"name": "dvr", "pretrained": str(tmp_path / "no")}}, "no such folder"),
        ({"method": {"name": "dvr", "pretrained": str(tmp_path)}}, "no valuator"),
    ]
    for changes, rule in cases:
        with pytest.raises(ConfigError, match=rule):
            check(apply(RunConfig(), SMALL | named | changes))
