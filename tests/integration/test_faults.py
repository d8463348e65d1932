"""Trials that fail are reported with their cause, and the sweep goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kills import SPACE, Family, ended, start, tune, write_space

CAUSES = {
    "nan": "the loss is nan; lower training.lr",
    "raise": "IndexError: the table has no such row",
    "memory": "MemoryError: Unable to allocate 8.00 TiB",
    "kill": "its process was lost, as when memory runs out",
}


def _faulty(folder: Path, faults: list[str], trials: int, first: str) -> Path:
    run = {
        **SPACE["run"],
        "method": {"name": "bpr"},
        "backbone": {"name": "faulty:Faulty", "fault": first, "mended": str(folder / "mended")},
        "training": {"epochs": 8, "batch_size": 1024},
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
    assert said.splitlines()[-1] == f"{failed} of 10 trials failed: {out / 'log.txt'}"
    # A lost process is replaced twice; what fails by itself isn't tried again.
    losses = 2 * len(found["kill"])
    assert f"faults: lost process ({losses} times)" in said


@pytest.mark.ray
@pytest.mark.slow
def test_failed_sharded_trials_leave_the_next_ones_a_group(
    repository: Path, tmp_path: Path
) -> None:
    """NaN keeps the group; an exception ends it, and so do three lost workers."""
    causes = {
        "nan": "the loss is nan; lower training.lr",
        "raise": "IndexError: the table has no such row",
        "kill": "its workers were lost 3 times, as when memory runs out",
    }
    space = _faulty(tmp_path, ["none", *causes], 6, "none")
    out = tmp_path / "out"
    command = tune(space, out, "--workers", "2")
    process = start(command, PYTHONPATH=str(repository / "tests"))
    family = Family(process.pid)
    while process.poll() is None:
        family.look()
        time.sleep(0.2)
    ended(process)
    assert not family.survivors()
    found = _by_fault(out)
    assert found.keys() == {"none", *causes}
    for fault, rows in found.items():
        for row in rows:
            assert row["status"] == ("finished" if fault == "none" else "failed")
            assert row["error"].count("\n") == 0 and causes.get(fault, "") in row["error"]
    log = (out / "log.txt").read_text()
    assert 'raise IndexError("the table\\nhas no such row")' in log


@pytest.mark.ray
@pytest.mark.slow
def test_all_failed_is_an_error_and_can_be_mended(repository: Path, tmp_path: Path) -> None:
    space = _faulty(tmp_path, ["raise"], 2, "raise")
    out = tmp_path / "out"
    said = ended(start(tune(space, out), PYTHONPATH=str(repository / "tests")), code=1)
    lines = [line for line in said.splitlines() if line.startswith("error ")]
    assert len(lines) == 1
    assert "none of 2 trials gave a result (IndexError: the table has no such row)" in lines[0]
    assert "--resume" in lines[0]
    (tmp_path / "mended").touch()
    command = tune(space, out, "--resume", "--trials", "3")
    ended(start(command, PYTHONPATH=str(repository / "tests")))
    trials = pd.read_csv(out / "trials.csv")
    assert list(trials["status"]) == ["finished"] * 3 and trials["error"].isna().all()
