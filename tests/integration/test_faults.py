"""Trials that fail are reported with their cause, and the sweep goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kills import SPACE, Family, ended, start, tune, wait, write_space

CAUSES = {
    "nan": "epoch 2: the loss is nan; lower training.lr",
    "raise": "IndexError: the table",
    "memory": "MemoryError: Unable to allocate 8.00 TiB",
    "kill": "its process was lost, as when memory runs out",
}


def _faulty(folder: Path, faults: list[str], trials: int, first: str) -> Path:
    run = {
        **SPACE["run"],
        "method": {"name": "bpr"},
        "backbone": {"name": "faulty:Faulty", "fault": first, "mended": str(folder / "mended")},
        "training": {"epochs": 3, "batch_size": 1024},
    }
    search = {
        "backbone.fault": {"choice": faults},
        "training.lr": {"float": [1e-3, 1e-1]},
    }
    return write_space(folder, run=run, search=search, tune={**SPACE["tune"], "trials": trials})


def _by_fault(out: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in pd.read_csv(out / "trials.csv", keep_default_na=False).to_dict("records"):
        found.setdefault(row["config.backbone.fault"], []).append(row)
    return found


@pytest.mark.ray
@pytest.mark.slow
def test_failed_trials_are_told_and_the_sweep_goes_on(repository: Path, tmp_path: Path) -> None:
    """NaN, an exception, memory that isn't there, and a process killed three times over."""
    space = _faulty(tmp_path, ["none", *CAUSES], 10, "none")
    out = tmp_path / "out"
    process = start(tune(space, out), PYTHONPATH=str(repository / "tests"))
    said, errors = process.communicate(timeout=200)
    assert process.returncode == 0 and "Traceback" not in errors, errors
    found = _by_fault(out)
    assert found.keys() == {"none", *CAUSES}
    for fault, rows in found.items():
        for row in rows:
            assert row["status"] == ("finished" if fault == "none" else "failed")
            assert row["error"].count("\n") == 0 and CAUSES.get(fault, "") in row["error"]
    failed = sum(len(rows) for fault, rows in found.items() if fault != "none")
    assert said.splitlines()[-1].endswith(f"{failed} trial(s) failed, see trials.csv")
    # A lost process is replaced twice; what fails by itself isn't tried again.
    assert errors.count("goes on from its last checkpoint") == 2 * len(found["kill"])


@pytest.mark.ray
@pytest.mark.slow
def test_all_failed_is_an_error_and_can_be_mended(repository: Path, tmp_path: Path) -> None:
    space = _faulty(tmp_path, ["raise"], 2, "raise")
    out = tmp_path / "out"
    said = ended(start(tune(space, out), PYTHONPATH=str(repository / "tests")), code=1)
    lines = [line for line in said.splitlines() if line.startswith("error ")]
    assert len(lines) == 1
    assert "none of 2 trials gave a result (IndexError: the table)" in lines[0]
    assert "--resume" in lines[0]
    (tmp_path / "mended").touch()
    command = tune(space, out, "--resume", "--trials", "3")
    ended(start(command, PYTHONPATH=str(repository / "tests")))
    trials = pd.read_csv(out / "trials.csv")
    assert list(trials["status"]) == ["finished"] * 3 and trials["error"].isna().all()


@pytest.mark.ray
@pytest.mark.slow
def test_more_trials_and_more_minutes_go_on(tmp_path: Path) -> None:
    """More trials are those that a larger sweep would have made; spent minutes stay spent."""
    space, out = write_space(tmp_path), tmp_path / "out"
    ended(start(tune(space, out, "--trials", "2")))
    ended(start(tune(space, out, "--trials", "4", "--resume")))
    ended(start(tune(space, tmp_path / "whole")))
    columns = ["trial", "folder", "status", "ndcg@20"]
    one, other = (pd.read_csv(path / "trials.csv")[columns] for path in (out, tmp_path / "whole"))
    pd.testing.assert_frame_equal(one, other)

    out = tmp_path / "short"
    long = ["--set", "training.epochs=4000", "--set", "training.patience=4000"]
    space = write_space(tmp_path, search={"valuator.depth": {"int": [1, 4]}})
    process = start(tune(space, out, *long, "--set", "tune.minutes=.05"))
    family = Family(process.pid)
    wait(lambda: family.named("ray::"), process)
    ended(process)
    spent = ended(start(tune(space, out, *long, "--set", "tune.minutes=.05", "--resume")))
    assert "trial   0" not in spent
    before = pd.read_csv(out / "trials.csv")
    assert list(before["status"]) == ["stopped"]
    ended(start(tune(space, out, *long, "--set", "tune.minutes=.15", "--resume")))
    after = pd.read_csv(out / "trials.csv")
    assert after["epochs"][0] > before["epochs"][0] and after["folder"][0] == before["folder"][0]
