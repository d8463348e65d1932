"""Tables against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_study import record_of, study_of

from dvr_ray.studies.cells import cells_of
from dvr_ray.studies.runner import StudyResult
from dvr_ray.studies.tables import spread, tables_of, write_tables


def _result() -> StudyResult:
    numbers = {("keep all", 0): 0.1, ("keep all", 1): 0.2, ("tce", 0): 0.15, ("tce", 1): 0.29}
    records = {
        cell: record_of(numbers[cell.row, cell.seed], 0.9 if cell.row == "tce" else None)
        for cell in cells_of(study_of())
    }
    return StudyResult(records, {}, [])


def test_rows_show_mean_sd_and_the_paired_test() -> None:
    tables = tables_of(study_of(), _result())
    assert [table.title for table in tables] == ["none", "some"]
    keep, tce = tables[0].rows()
    assert keep == ["keep all", "2", "0.1500 ± 0.0707", "-", "-", "2"]
    p = stats.ttest_rel([0.15, 0.29], [0.1, 0.2]).pvalue
    assert tce == ["tce", "2", "0.2200 ± 0.0990", f"+0.0700 ({p:.3f})", "0.9000 ± 0.0000", "2"]
    assert "mean_loss 0.6000" in tables[0].plain_scores()


def test_held_out_correlations_have_columns_where_a_run_has_them() -> None:
    result = _result()
    told = {"held_out": {"held_out_correlation": 0.04, "held_out_without_units": 0.03}}
    records = {c: r | told if c.row == "tce" else r for c, r in result.records.items()}
    table = tables_of(study_of(), StudyResult(records, {}, []))[0]
    place = table.columns.index("held-out correlation")
    assert table.columns[place + 1] == "without units"
    keep, tce = table.rows()
    assert keep[place : place + 2] == ["-", "-"]
    assert tce[place : place + 2] == ["0.0400 ± 0.0000", "0.0300 ± 0.0000"]
    assert "held-out correlation" not in tables_of(study_of(), result)[0].columns


def test_seeds_that_only_one_row_has_don_t_count_in_the_difference() -> None:
    result = _result()
    kept = {c: r for c, r in result.records.items() if (c.row, c.seed) != ("keep all", 1)}
    tce = tables_of(study_of(), StudyResult(kept, {}, []))[0].rows()[1]
    assert tce[3] == "+0.0500"


def test_written_tables_hold_every_number_and_failures(tmp_path: Path) -> None:
    result = _result()
    failed, *_ = result.records
    records = {cell: record for cell, record in result.records.items() if cell != failed}
    write_tables(study_of(), StudyResult(records, {failed: "the loss is nan"}, []), tmp_path)
    lines = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    assert len(lines) == len(records)
    assert np.allclose(lines["test ndcg@5"], [r["test"]["ndcg@5"] for r in records.values()])
    text = (tmp_path / "table.md").read_text()
    assert "Failed: none, keep all, seed 0: the loss is nan" in text
    assert "## some" in text


@pytest.mark.parametrize(
    ("values", "shown"),
    [([], "-"), ([None], "-"), ([0.5], "0.5000"), ([0.0, 1.0, float("nan")], "0.5000 ± 0.7071")],
)
def test_spread(values: list[float | None], shown: str) -> None:
    assert spread(values) == shown
