"""A whole study through the command line: what is chosen, the one look, going on, failures.

Tasks run in this process, but where Ray is what is tested.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from in_process import without_ray
from ruamel.yaml import YAML
from small_study import SMALL
from typer.testing import CliRunner

from dvr_ray.cli.main import app
from dvr_ray.errors import ConfigError


def _write(path: Path, content: object) -> Path:
    with path.open("w") as file:
        YAML().dump(content, file)
    return path


def _call(*words: object) -> Result:
    return CliRunner().invoke(app, ["study", *map(str, words)], catch_exceptions=False)


def test_a_study_runs_resumes_and_goes_on_from_its_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_ray(monkeypatch)
    path, out, cells = _write(tmp_path / "s.yaml", SMALL), tmp_path / "out", tmp_path / "cells"
    assert _call(path, "--out", out, "--cells", cells).exit_code == 0
    lines = pd.read_csv(out / "tables" / "cells.csv", keep_default_na=False)
    assert len(lines) == 8
    assert lines["test ndcg@5"].between(0, 1).all()
    # L2 was tried with the first seed; of its runs those that won are cells too.
    assert len(list(cells.iterdir())) == 8 + 2
    looks = [json.loads(look.read_text()) for look in out.glob("look-*.json")]
    assert [len(look["runs"]) for look in looks] == [8]
    before = {file: file.stat().st_mtime_ns for file in cells.iterdir()}
    # Elsewhere, from the cells alone: nothing is trained, and nobody looks at test again.
    again = tmp_path / "again"
    assert _call(path, "--out", again, "--cells", cells).exit_code == 0
    assert not list(again.glob("look-*.json")) and not (again / "runs").exists()
    assert {file: file.stat().st_mtime_ns for file in cells.iterdir()} == before
    assert (again / "tables" / "all.md").read_text() == (out / "tables" / "all.md").read_text()
    # One more metric: test is measured again of what is trained, and that is written down.
    more = _write(path, {**SMALL, "metrics": ["ndcg@5", "recall@5"]})
    assert _call(more, "--out", out, "--cells", cells, "--resume").exit_code == 0
    assert "test recall@5" in pd.read_csv(out / "tables" / "cells.csv")
    assert len(list(out.glob("look-*.json"))) == 2


def test_a_folder_that_is_used_needs_resume(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    with pytest.raises(ConfigError, match="--resume"):
        _call(_write(tmp_path / "s.yaml", SMALL), "--out", tmp_path / "out")


def test_every_cell_is_checked_before_anything_starts(tmp_path: Path) -> None:
    axes = {"method": {"good": {}, "bad": {"method": {"name": "dvrr"}}}}
    wrong = {**SMALL, "axes": axes, "choose": [], "against": "good"}
    # The log of a refused attempt is no reason to ask for --resume.
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"bad, seed 0.*dvrr"):
            _call(_write(tmp_path / "s.yaml", wrong), "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.slow
@pytest.mark.ray
def test_a_cell_that_fails_is_told_and_left_out(tmp_path: Path) -> None:
    rows = {"keep all": {"method": {"name": "bpr"}},
            "by label": {"method": {"name": "fixed-score", "score": "planted"}}}  # fmt: skip
    axes = {"noise": SMALL["axes"]["noise"], "method": rows}
    path = _write(tmp_path / "s.yaml", {**SMALL, "axes": axes, "choose": [], "seeds": [0]})
    found = _call(path, "--out", tmp_path / "out")
    assert found.exit_code == 1
    assert "failed: none, by label, seed 0: run: method.score" in found.output
    assert len(pd.read_csv(tmp_path / "out" / "tables" / "cells.csv", keep_default_na=False)) == 3
