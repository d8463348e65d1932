"""Tables of a study against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_study import record_of, study_of

from dvr_ray.reports.sheets import spread
from dvr_ray.reports.study_tables import sheets_of, write_sheets
from dvr_ray.studies.cells import cells_of
from dvr_ray.studies.removal import Removed
from dvr_ray.studies.runner import StudyResult


def _result() -> StudyResult:
    numbers = {("keep all", 0): 0.1, ("keep all", 1): 0.2, ("tce", 0): 0.15, ("tce", 1): 0.29}
    records = {
        cell: record_of(numbers[cell.row, cell.seed], 0.9 if cell.row == "tce" else None)
        for cell in cells_of(study_of())
    }
    return StudyResult(records, {}, [])


def test_rows_show_mean_sd_and_the_paired_test() -> None:
    overview, none, some, different = sheets_of(study_of(), _result())
    assert [none.title, some.title, different.title] == ["none", "some", "Differences"]
    assert overview.columns == ["", "none", "some"]
    assert overview.rows[1] == ["tce", *["0.2200 ± 0.0990 (tie)"] * 2]
    keep, tce = none.rows
    assert keep == ["keep all", "2", "0.1500 ± 0.0707", "-", "2.0 ± 0.0", "-"]
    p = stats.ttest_rel([0.15, 0.29], [0.1, 0.2]).pvalue
    shown = f"+0.0700 (tie, p {p:.3f})"
    assert tce == ["tce", "2", "0.2200 ± 0.0990", "0.9000 ± 0.0000", "2.0 ± 0.0", shown]
    assert "mean_loss 0.6000" in none.note
    assert different.rows[0] == [
        "none", "tce", "keep all", "ndcg@5", "2", "+0.0700 ± 0.0283", "+46.7%", f"{p:.4f}",
        f"{p:.4f}", "tie",
    ]  # fmt: skip
    assert all("Paired t-test over seeds" in s.note for s in (overview, none, different))


def test_measures_have_columns_where_a_run_has_them() -> None:
    told = {"monitors": {"held_out_correlation": 0.04, "coverage": [0.25, 0.75]}}
    records = {c: r | told if c.row == "tce" else r for c, r in _result().records.items()}
    measures = ["held_out_correlation", "held_out_without_units", "coverage.1"]
    sheet = sheets_of(study_of(measures=measures), StudyResult(records, {}, []))[1]
    assert sheet.columns[3:5] == ["held-out correlation", "coverage, 2"]
    keep, tce = sheet.rows
    assert keep[3:5] == ["-", "-"]
    assert tce[3:5] == ["0.0400 ± 0.0000", "0.750 ± 0.000"]


def test_records_of_before_show_what_they_have() -> None:
    told = {"held_out": {"held_out_correlation": 0.04}}
    records = {c: r | told for c, r in _result().records.items()}
    sheet = sheets_of(study_of(), StudyResult(records, {}, []))[1]
    assert sheet.rows[0][sheet.columns.index("held-out correlation")] == "0.0400 ± 0.0000"


def test_seeds_that_only_one_row_has_don_t_count_in_the_difference() -> None:
    records = {c: r for c, r in _result().records.items() if (c.row, c.seed) != ("keep all", 1)}
    tce = sheets_of(study_of(), StudyResult(records, {}, []))[1].rows[1]
    assert tce[-1] == "+0.0500 (not tested)"


def test_written_tables_hold_every_number_and_failures(tmp_path: Path) -> None:
    result = _result()
    failed, *_ = result.records
    records = {cell: record for cell, record in result.records.items() if cell != failed}
    result = StudyResult(records, {failed: "the loss is nan"}, [])
    write_sheets(study_of(), result, sheets_of(study_of(), result), tmp_path)
    lines = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    assert len(lines) == len(records)
    assert np.allclose(lines["test ndcg@5"], [r["test"]["ndcg@5"] for r in records.values()])
    text = (tmp_path / "all.md").read_text()
    assert "Failed: none, keep all, seed 0: the loss is nan" in text
    assert "## some" in text
    numbers = pd.read_csv(tmp_path / "results-some.csv", keep_default_na=False)
    tce = numbers[(numbers["row"] == "tce") & (numbers["quantity"] == "ndcg@5")].iloc[0]
    assert (float(tce["mean"]), int(tce["n"])) == (pytest.approx(0.22), 2)
    latex = (tmp_path / "results-some.tex").read_text()
    assert latex.count(r"\\") == 3 and r"0.2200 $\pm$ 0.0990" in latex and r"\toprule" in latex


def test_removal_shows_the_change_against_all_rows() -> None:
    result, study = _result(), study_of(removal={"of": ["tce"], "train": "keep all"})
    cells = {(cell.group, cell.row, cell.seed): cell for cell in result.records}
    of: dict[Removed, Any] = {
        Removed(cells[("some",), "tce", s], cells[("some",), "keep all", s], "lowest", 0.1):
        record_of(0.12 + 0.1 * s)
        for s in (0, 1)
    }  # fmt: skip
    sheet = sheets_of(study, StudyResult(result.records, {}, [], of))[-1]
    assert sheet.rows == [["some", "tce", "lowest", "10%", "2", "0.1700 ± 0.0707", "+0.0200"]]


def test_a_terminal_shows_few_columns_and_files_all() -> None:
    metrics = [f"ndcg@{k}" for k in range(1, 9)]
    numbers = {name: 0.1 for name in metrics} | {"eo:gender@5 null": 0.2}
    records = {c: r | {"test": numbers} for c, r in _result().records.items()}
    study = study_of(metrics=metrics)
    sheet, different = sheets_of(study, StudyResult(records, {}, []))[1::2]
    assert len(sheet.columns) == 2 + 8 + 1 + 2 + 1 and "eo:gender@5 null" in sheet.columns
    columns, rows = sheet.shown()
    assert columns == ["", "seeds", *metrics[:5], "ndcg@1 against keep all"]
    assert rows[1][0] == "tce" and rows[1][-1].startswith("+0.0000")
    assert different.rows and different.shown() == ([], [[]] * len(different.rows))


@pytest.mark.parametrize(
    ("values", "shown"),
    [([], "-"), ([None], "-"), ([0.5], "0.5000"), ([0.0, 1.0, float("nan")], "0.5000 ± 0.7071")],
)
def test_spread(values: list[float | None], shown: str) -> None:
    assert spread(values) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [([0.0736, 0.075], "0.0743 ± 0.0010"), ([12.3, 12.5], "12.4 ± 0.1"), ([1234.5], "1234"),
     ([2e-5, 4e-5], "3.00e-05 ± 1.41e-05"), ([0.0], "0.000")],
)  # fmt: skip
def test_monitors_show_three_digits_of_their_mean(values: list[float], shown: str) -> None:
    assert spread(values, None) == shown
