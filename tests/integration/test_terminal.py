"""A whole sweep as a person sees it, in a pty: the table, failures, and what to do next."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from terminal import run_in_terminal

FAILING = """\
from dvr_ray.negatives.uniform import Uniform


class Dry(Uniform):
    def draw(self, rows, generator):
        raise ValueError("the well is dry")
"""
FIELDS = [
    "data.users=60", "data.items=50", "training.epochs=6", "training.warmup=2", "adapter.masks=2",
    "valuator.units=4", "tune.minutes=10", "tune.final_seeds=1", "tune.scheduler=none",
    "search.negatives.name={choice: [uniform, 'dry:Dry']}",
]  # fmt: skip


@pytest.mark.ray
@pytest.mark.slow
def test_sweep_with_failures_on_a_terminal(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "dry.py").write_text(FAILING)
    out = tmp_path / "sweep"
    command = [sys.executable, "-m", "dvr_ray", "tune"]
    command += [str(repository / "search_spaces/quickstart.yaml"), "--out", str(out), "-n", "3"]
    command += [part for field in FIELDS for part in ("--set", field)]
    path = {"PYTHONPATH": os.pathsep.join([str(repository), str(tmp_path)])}
    code, end, screens = run_in_terminal(command, path)
    assert code == 0, end
    for wanted in ("searching ", "running      trial 0: epoch", "failed       2; last: ",
                   "retraining   0 of 2 runs done", "time left    "):  # fmt: skip
        assert any(wanted in screen for screen in screens), wanted
    lines = end.splitlines()
    assert lines[0].startswith("sweep quickstart: 3 trials or 10 minutes")
    assert not any(word in end for word in ("Warning", "ray.", "optuna.", "Traceback"))
    assert f"train the best again: dvr-ray train {out}/best.yaml --out FOLDER" in lines
    assert [line for line in lines if line][-1] == f"2 of 3 trials failed: {out}/log.txt"
    log = (out / "log.txt").read_text()
    assert log.count("the well is dry") >= 2 and 'dry.py", line' in log
    assert "trial 1 failed" in log
