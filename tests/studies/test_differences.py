"""Paired tests and their correction."""

from __future__ import annotations

import numpy as np
import pytest
from small_study import record_of, study_of

from dvr_ray.studies.cells import Cell, cells_of
from dvr_ray.studies.differences import base_of, differences, holm

NAN = float("nan")


def test_holm_against_a_worked_example() -> None:
    """.01 x 4, .03 x 3, .04 x 2 lifted to .09, .005 x 5: sorted .005 .01 .03 .04 .2."""
    found = holm([0.01, 0.2, NAN, 0.03, 0.005, 0.04])
    expected = [0.04, 0.2, NAN, 0.09, 0.025, 0.09]
    assert np.allclose(found, expected, equal_nan=True)


def _records(gaps: dict[str, list[float]]) -> dict[Cell, dict[str, object]]:
    """Three rows; keep all has .2, .25, .31 and .4."""
    rows = {"keep all": {}, **{row: {} for row in gaps}}
    study = study_of(axes={"method": rows}, seeds=[0, 1, 2, 3], choose=[])
    base = [0.2, 0.25, 0.31, 0.4]
    return {
        cell: record_of(base[cell.seed] + gaps.get(cell.row, [0.0] * 4)[cell.seed])
        for cell in cells_of(study)
    }


def _verdicts(gaps: dict[str, list[float]], **more: object) -> dict[str, str]:
    rows: dict[str, dict[str, object]] = {"keep all": {}, **{row: {} for row in gaps}}
    study = study_of(axes={"method": rows}, seeds=[0, 1, 2, 3], choose=[], **more)
    return {d.row: d.verdict for d in differences(study, _records(gaps))}


def test_a_tie_is_a_tie_and_a_loss_a_loss() -> None:
    found = _verdicts({
        "up": [0.1, 0.11, 0.09, 0.1],
        "down": [-0.1, -0.11, -0.09, -0.1],
        "noise": [0.1, -0.1, 0.05, -0.04],
        "same": [0.0, 0.0, 0.0, 0.0],
    })  # fmt: skip
    assert found == {"up": "better", "down": "worse", "noise": "tie", "same": "tie"}


def test_many_rows_make_a_small_lead_a_tie() -> None:
    """p is .031 alone, and .031 x 3 where two rows of mere noise stand beside it."""
    lead = [0.01, 0.02, 0.005, 0.016]
    assert _verdicts({"lead": lead})["lead"] == "better"
    noise = [0.1, -0.1, 0.05, -0.04]
    assert _verdicts({"lead": lead, "a": noise, "b": noise})["lead"] == "tie"


def test_of_several_baselines_the_best_on_selection_is_taken() -> None:
    rows: dict[str, dict[str, object]] = {"keep all": {}, "dns": {}, "dvr": {}}
    study = study_of(axes={"method": rows}, seeds=[0], choose=[], against=["keep all", "dns"])
    records = {
        cell: record_of(0.2) | {"selection": {"ndcg@20": 0.3 if cell.row == "dns" else 0.2}}
        for cell in cells_of(study)
    }
    assert base_of(study, records) == "dns"
    assert [(d.row, d.verdict) for d in differences(study, records)] == [
        ("keep all", "not tested"), ("dvr", "not tested"),
    ]  # fmt: skip


@pytest.mark.parametrize(("metric", "verdict"), [("ndcg@5", "better"), ("gini@5", "worse")])
def test_a_verdict_knows_the_direction(metric: str, verdict: str) -> None:
    records = {
        cell: record | {"test": {metric: record["test"]["ndcg@5"]}}  # type: ignore[index]
        for cell, record in _records({"up": [0.1, 0.11, 0.09, 0.1]}).items()
    }
    rows: dict[str, dict[str, object]] = {"keep all": {}, "up": {}}
    study = study_of(axes={"method": rows}, seeds=[0, 1, 2, 3], choose=[], metrics=[metric])
    assert [d.verdict for d in differences(study, records)] == [verdict]
