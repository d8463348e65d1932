"""Runs and sweeps in a storage: killed on one machine, gone on with on another, read anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from refusals import called, refusal
from small_run import SMALL
from storages import Faulty, Machine

from dvr_ray.config.load import apply, dump
from dvr_ray.config.schema import RunConfig
from dvr_ray.storage import Mirror, upload
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run


class _Stop:
    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        if row["epoch"] == 4:
            raise KeyboardInterrupt


class _Epochs:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self.seen.append(row["epoch"])


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    dump(apply(RunConfig(), {**SMALL, "method": {"name": "bpr"}}), path)
    return path


def _result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    del found["seconds"]
    return found


def test_a_run_goes_on_on_another_machine(there: Path, tmp_path: Path, machine: Machine) -> None:
    config = apply(RunConfig(), SMALL)
    data = prepare(config)[0]
    run(RunRequest(config, data, tmp_path / "unbroken"), Silent())
    mirror = Mirror.here(f"file://{there}")
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(config, data, mirror.folder, mirror=mirror), _Stop())
    machine("second")
    epochs = _Epochs()
    run(RunRequest(config, data, mirror.folder, mirror=mirror), epochs)
    assert epochs.seen == [6, 8]
    assert _result(there) == _result(tmp_path / "unbroken")
    assert len(list((there / "checkpoints").iterdir())) == 2


def test_a_run_in_a_storage_is_trained_read_and_kept(
    there: Path, space: Path, machine: Machine
) -> None:
    out = f"file://{there}/run"
    code, said = called("train", space, "--out", out)
    assert code == 0, said
    assert {"result.json", "log.txt", "model.safetensors"} <= {
        path.name for path in (there / "run").iterdir()
    }
    machine("second")
    assert "holds this run already" in refusal("train", space, "--out", out)
    machine("third")
    assert called("report", out)[0] == 0
    assert called("recommend", out, "--users", "all")[0] == 0
    assert not (there / "run" / "report.html").exists()
    assert "no such folder" in refusal("report", f"{out}-2")


def test_what_could_not_be_copied_is_told_and_copied_later(
    there: Path, space: Path, machine: Machine, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "PATIENCE_SECONDS", 0.0)
    out = f"file://{there}/run"
    faulty.fail()
    line = refusal("train", space, "--out", out)
    assert "unplugged" in line and not (there / "run").exists()
    faulty.fail(good=2)  # after the first look at the storage
    line = refusal("train", space, "--out", out, code=1)
    assert line.startswith(f"{out}: ") and "couldn't be copied there" in line
    assert "--resume copies them" in line
    faulty.fail(good=-1)
    code, said = called("train", space, "--out", out, "--resume")
    assert code == 0, said
    assert (there / "run" / "result.json").exists()
