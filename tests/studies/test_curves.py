"""Removal curves, agreement of seeds, the plan and what failed, of studies that run without Ray."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from in_process import without_ray
from ruamel.yaml import YAML
from scipy.stats import spearmanr
from small_study import SMALL
from typer.testing import CliRunner

from dvr_ray.cli.main import app
from dvr_ray.errors import RunError

SCORED = {"method": {"name": "fixed-score", "score": "features"}}
STUDY: dict[str, Any] = {
    **SMALL,
    "run": SMALL["run"]
    | {"encoder": {"features": ["agreement", "neighbourhood"]}}
    | {"training": {"epochs": 3, "warmup": 1, "batch_size": 128, "lr": 0.05, "metric": "NDCG@20"}},
    "axes": {"method": {"keep all": {"method": {"name": "bpr"}}, "scored": SCORED}},
    "seeded": ["seed"],
    "choose": [],
    "measures": ["seeds", "passes"],
    "removal": {"of": ["scored"], "train": "keep all", "shares": [0.5], "ends": ["lowest"]},
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_ray(monkeypatch)
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "cache"))


def _study(folder: Path, content: object, *words: object) -> Result:
    path = folder / "study.yaml"
    with path.open("w") as file:
        YAML().dump(content, file)
    words = ("study", path, "--out", folder / "out", *words)
    return CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)


def _numbers(folder: Path) -> Any:
    return json.loads((folder / "out" / "study.json").read_text())


def test_rows_of_low_value_are_left_out_and_values_agree_over_seeds(tmp_path: Path) -> None:
    assert _study(tmp_path, STUDY).exit_code == 0
    found = _numbers(tmp_path)
    scored = [cell for cell in found["cells"] if cell["entries"]["method"] == "scored"]
    assert len(found["removed"]) == 2
    whole = {c["seed"]: c for c in found["cells"] if c["entries"]["method"] == "keep all"}
    for removed in found["removed"]:
        # Trained on half of the rows, of the same data.
        assert removed["data"] == whole[removed["seed"]]["data"]
        assert removed["test"] != whole[removed["seed"]]["test"]
        assert removed["config"]["method"]["values"] in _keys(tmp_path)
    # What the records say of two seeds is the rank correlation of the values that they left.
    values = [
        pd.read_parquet(tmp_path / "out" / "runs" / key / "values.parquet")["value"]
        for key in _keys(tmp_path)
        if (tmp_path / "out" / "runs" / key / "values.parquet").exists()
    ]
    assert len(values) == 2
    (rho,) = scored[0]["agreement"].values()
    assert rho == pytest.approx(spearmanr(*values).statistic, abs=1e-4)
    assert list(scored[1]["agreement"].values()) == [rho]
    assert scored[0]["passes"] == 1.0  # a fixed score is the same in every batch


def _keys(folder: Path) -> list[str]:
    return [path.name for path in (folder / "out" / "runs").iterdir()]


def test_values_that_are_gone_are_made_again_for_one_more_share(tmp_path: Path) -> None:
    _study(tmp_path, {**STUDY, "seeds": [0]})
    before = _numbers(tmp_path)
    shutil.rmtree(tmp_path / "out" / "runs")
    more = {**STUDY, "seeds": [0], "removal": {**STUDY["removal"], "shares": [0.5, 0.2]}}
    assert _study(tmp_path, more, "--resume").exit_code == 0
    after = _numbers(tmp_path)
    assert [removed["share"] for removed in after["removed"]] == [0.5, 0.2]
    assert after["removed"][0] == before["removed"][0]
    assert after["cells"] == before["cells"]


def test_a_plan_is_told_and_nothing_is_trained(tmp_path: Path) -> None:
    found = _study(tmp_path, STUDY, "--plan")
    assert found.exit_code == 0
    told = " ".join(found.output.split())
    assert "4 cells, 4 runs, 2 of removal curves, 2 at once" in told
    assert "to train: 6 runs, about" in told and "a plain epoch takes" in told
    assert not (tmp_path / "out" / "cells").exists()
    # A plan is no reason to ask for --resume.
    assert _study(tmp_path, STUDY).exit_code == 0
    again = _study(tmp_path, STUDY, "--plan", "--resume")
    assert "nothing is left to train" in again.output


def test_a_failed_run_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    label = {"method": {"name": "fixed-score", "score": "planted"}}
    axes = {"method": {**STUDY["axes"]["method"], "by label": label}}
    found = _study(tmp_path, {**STUDY, "axes": axes, "seeds": [0]})
    assert found.exit_code == 1
    assert "failed: by label, seed 0: run: method.score" in found.output
    numbers = _numbers(tmp_path)
    assert list(numbers["failed"]) == ["by label, seed 0"]
    assert len(numbers["cells"]) == 2 and len(numbers["removed"]) == 1


def test_a_study_of_which_no_run_can_start_says_so_at_once(tmp_path: Path) -> None:
    nowhere = {**STUDY["run"], "data": {"source": "hetrec", "path": str(tmp_path / "nowhere")}}
    with pytest.raises(RunError, match=r"no run can start .*nowhere: no such folder"):
        _study(tmp_path, {**STUDY, "run": nowhere})
    assert not (tmp_path / "out" / "runs").exists(), "a run was tried all the same"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"measures": ["aucc"]}, "neither a metric nor a measure"),
        ({"figures": [{"x": "method", "y": "recall@7"}]}, "recall@7 isn't measured"),
        ({"removal": {"of": ["nobody"], "train": "keep all"}}, "removal names 'nobody'"),
        ({"only": {"method": ["scored"]}}, "removal trains 'keep all', which only leaves out"),
        ({"without": [{"method": ["nobody"]}]}, "without names 'nobody'"),
    ],
)
def test_wrong_names_are_refused_before_anything_starts(
    changes: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=rule):
        _study(tmp_path, {**STUDY, **changes})
    assert not (tmp_path / "out" / "runs").exists()
