"""Tables for the terminal, and numbers as they are written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from dvr_ray.reports.results import load_sweep
from dvr_ray.reports.summary import short, summarise
from dvr_ray.reports.tables import final_rows, top_trials


def test_top_trials_put_finished_ones_first(stored_sweep: Path) -> None:
    sweep = load_sweep(stored_sweep)
    top = top_trials(sweep, limit=20)
    statuses = [trial.status for trial in top]
    assert statuses == ["finished"] * 13 + ["stopped"] * 3
    scores = [trial.objectives["ndcg@20"] for trial in top[:13]]
    assert scores == sorted(scores, reverse=True)
    assert top[0].number == 7
    assert top_trials(sweep, limit=2) == top[:2]


def test_final_rows_are_means_over_seeds(stored_sweep: Path) -> None:
    """The seeds .186, .188, .190 have mean .188 and sd .002; differences are .016, .017, .015."""
    rows = {row.metric: row for row in final_rows(load_sweep(stored_sweep))}
    assert list(rows) == ["ndcg@20", "recall@20", "pushed@20"]
    row = rows["ndcg@20"]
    assert str(row.methods["dvr"]) == ".1880 ± .0020"
    assert row.methods["keep-all"].mean == pytest.approx(0.172)
    assert row.difference is not None
    assert row.difference.mean == pytest.approx(0.016)
    assert row.difference.sd == pytest.approx(0.001)
    assert str(rows["pushed@20"].difference) == "-2.0000 ± .0000"


@pytest.mark.parametrize(
    "test",
    [
        {"dvr": {"ndcg@20": [0.1, 0.2]}},
        {"dvr": {"ndcg@20": [0.1, 0.2]}, "keep-all": {"ndcg@20": [0.1]}},
        {"dvr": {"ndcg@20": [0.1, 0.2]}, "keep-all": {}},
    ],
)
def test_without_pairs_there_is_no_difference(
    make_sweep: Callable[..., Path], tmp_path: Path, test: dict[str, dict[str, list[float]]]
) -> None:
    folder = make_sweep(tmp_path / "s")
    content = {"winner": "hash07", "method": "dvr", "test": test}
    (folder / "final.json").write_text(json.dumps(content))
    (row,) = final_rows(load_sweep(folder))
    assert row.difference is None
    assert row.methods["dvr"].mean == pytest.approx(0.15)


def test_a_sweep_without_final_has_no_final_rows(
    make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    assert final_rows(load_sweep(make_sweep(tmp_path / "s", final=False))) == []


def test_one_seed_has_no_sd() -> None:
    summary = summarise([0.25])
    assert summary is not None
    assert math.isnan(summary.sd)
    assert str(summary) == ".2500"
    assert summarise([]) is None


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.914, ".91"),
        (-0.02, "-.02"),
        (1.0, "1.00"),
        (12.345, "12.35"),
        (0.999, "1.00"),
        (0, ".00"),
    ],
)
def test_numbers_go_without_their_leading_zero(number: float, written: str) -> None:
    assert short(number) == written
