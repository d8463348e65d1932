"""The shipped studies: every cell is a run that is accepted and that differs from the others.

Their smallest scale runs from end to end, here without Ray.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from docs_pages import compare
from in_process import without_ray
from typer.testing import CliRunner

from dvr_ray.cli.main import app
from dvr_ray.config.load import load_study
from dvr_ray.config.shipped import study_path
from dvr_ray.metrics import parse
from dvr_ray.studies.cells import cells_of, configured, key_of
from dvr_ray.studies.choosing import groups_of, tries_of
from dvr_ray.studies.measures import quantity
from dvr_ray.training.build import check

STUDIES = sorted((Path(__file__).resolve().parents[2] / "search_spaces" / "studies").glob("*"))
WHOLE = (
    "main-table", "metric-specific", "backbone-compatibility", "batch-size", "depth-and-width",
    "reward-stability", "overhead", "noise", "ground-truth", "scale",
)  # fmt: skip
# The slowest and those that share most of their code with these are left to `make test-all`.
# Of layers that the smallest scale doesn't have.
UNMEASURED = {"depth-and-width": [f"coverage.{layer}" for layer in range(2, 6)]}
QUICK = ("main-table", "noise", "scale")


@pytest.mark.parametrize(
    ("path", "scale"),
    [pytest.param(path, None, id=path.stem) for path in STUDIES]
    + [
        pytest.param(study_path(name), scale, id=f"{name}, {scale}", marks=marks)
        for name in WHOLE
        for scale, marks in (("smoke", []), ("laptop", []), ("cluster", [pytest.mark.slow]))
    ],
)
def test_every_cell_is_a_run_of_its_own(path: Path, scale: str | None) -> None:
    study = load_study(path, scale=scale)
    assert study.name.removeprefix("study-") == path.stem
    runs = {str(cell): configured(study, cell, {}, Path("/data")) for cell in cells_of(study)}
    for name, config in runs.items():
        check(config, name)
    assert len({key_of(config) for config in runs.values()}) == len(runs)
    for metric in study.metrics:
        parse(metric)
    for choice in study.choose:
        for _, cell in groups_of(study, choice):
            for values in tries_of(choice, study.trials):
                check(configured(study, cell, values, Path("/data")), str(cell))


def test_trade_offs_reward_what_they_measure() -> None:
    """Each metric but accuracy has DVR rows, alone and mixed with ndcg."""
    study = load_study(next(path for path in STUDIES if path.stem == "ml-1m-tradeoffs"))
    rewards = {row["adapter.reward"] for row in study.rows.values() if "adapter.reward" in row}
    others = {name for name in study.metrics if name != "ndcg@20"}
    assert rewards == others | {f"0.5*ndcg@20 + 0.5*{name}" for name in others}


def _smoke(name: str, out: Path) -> Result:
    words = ["study", name, "--scale", "smoke", "--out", str(out)]
    return CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in WHOLE]
)
def test_smoke_ends_in_tables_figures_and_numbers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_ray(monkeypatch)
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    assert _smoke(name, out).exit_code == 0
    study = load_study(study_path(name), scale="smoke")
    found = json.loads((out / "study.json").read_text())
    assert len(found["cells"]) == len(cells_of(study))
    for cell in found["cells"]:
        assert set(study.metrics) <= set(cell["test"])
        assert cell["data"] and cell["versions"]["dvr_ray"] and cell["hardware"]["cpus"]
        assert cell["seconds"] > 0 and cell["memory"] > 0
    assert bool(found["removed"]) == (study.removal is not None)
    assert all(chosen["tries"] >= 2 for chosen in found["chosen"])
    tables = {path.name for path in (out / "tables").iterdir()}
    assert {"all.md", "cells.csv"} <= tables
    assert {Path(n).suffix for n in tables} == {".md", ".csv", ".tex"}
    # What tables show is measured: a column of a measure that no run has would be left out.
    titles = (out / "tables" / "all.md").read_text()
    for measure in study.measures:
        assert quantity(measure).title in titles or measure in UNMEASURED.get(name, []), measure
    assert (out / "study.html").read_text().count('class="figure"') >= max(1, len(study.figures))
    if name == "noise":
        compare("study.json", _keys(found), {"cells.agreement"})
    written = {path: path.read_bytes() for path in _written(out)}
    for path in written:
        path.unlink()
    (out / "study.json").write_bytes(written[out / "study.json"])
    again = CliRunner().invoke(app, ["report", str(out)], catch_exceptions=False)
    assert again.exit_code == 0 and f"report: {out / 'study.html'}" in again.output
    assert {path: path.read_bytes() for path in _written(out)} == written


def _keys(content: dict[str, Any]) -> Iterator[str]:
    """Keys of the file, and of what the entries of its lists hold."""
    for key, value in content.items():
        inner = value if key in ("cells", "differences") else [value] if key == "budget" else []
        yield from {f"{key}.{name}" for each in inner for name in each} or [key]


def _written(folder: Path) -> list[Path]:
    """What can be made of a study's numbers, but figures, which hold when they were made."""
    return [*folder.glob("tables/*"), *folder.glob("study.*")]
