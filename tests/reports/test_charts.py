"""Figures of a study: what is drawn, on the page and by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_study import record_of, study_of

from dvr_ray.config.study import Study
from dvr_ray.reports.charts import Chart, Series, can_save, draw, save
from dvr_ray.reports.study_charts import charts_of
from dvr_ray.studies.cells import cells_of
from dvr_ray.studies.removal import Removed
from dvr_ray.studies.runner import StudyResult

AXES = {
    "share": {"0%": {}, "30%": {"data.noise": {"kind": "uniform", "share": 0.3}}},
    "method": {"a": {}, "b": {}, "c": {}},
}
# By method: ndcg and gini; b beats c in both.
NUMBERS = {"a": (0.3, 0.9), "b": (0.2, 0.5), "c": (0.1, 0.6)}


def _study(**changes: Any) -> Study:
    return study_of(axes=AXES, choose=[], against=None, metrics=["ndcg@5", "gini@5"], **changes)


def _result(study: Study) -> StudyResult:
    records = {}
    for cell in cells_of(study):
        ndcg, gini = NUMBERS[cell.row]
        lower = 0.05 if cell.group == ("30%",) else 0.0
        test = {"ndcg@5": ndcg - lower + 0.01 * cell.seed, "gini@5": gini}
        records[cell] = record_of(0.0) | {"test": test}
    return StudyResult(records, {}, [])


def test_an_axis_of_numbers_gives_lines() -> None:
    study = _study(figures=[{"x": "share", "y": "ndcg@5"}])
    (chart,) = charts_of(study, _result(study))
    assert [series.name for series in chart.series] == ["a", "b", "c"]
    line = chart.series[0]
    assert line.x == (0.0, 30.0) and line.joined
    assert line.y == pytest.approx((0.305, 0.255))
    assert line.error == pytest.approx((np.std([0.3, 0.31], ddof=1),) * 2)


def test_by_default_the_first_metric_is_shown_by_row_in_each_group() -> None:
    study = _study()
    charts = charts_of(study, _result(study))
    assert [chart.title for chart in charts] == ["0%", "30%"]
    assert charts[0].series[0].x == ("a", "b", "c") and not charts[0].series[0].joined
    # Names stand on the left, where they can be read, the first on top.
    (trace,) = draw(charts[0]).data
    assert list(trace.y) == ["a", "b", "c"] and trace.x[0] == pytest.approx(0.305)
    assert trace.error_x.array[0] > 0 and trace.error_y.array is None


def test_rows_that_no_other_beats_in_both_are_joined() -> None:
    study = _study(figures=[{"x": "gini@5", "y": "ndcg@5"}])
    chart = charts_of(study, _result(study))[0]
    points, front = chart.series
    assert points.labels == ("a", "b", "c")
    # Less Gini and more NDCG is better: b against c, while a has more of both.
    assert front.x == (0.5, 0.9)
    assert front.y == pytest.approx((0.205, 0.305))


def test_a_removal_curve_starts_with_all_rows() -> None:
    study = _study(removal={"of": ["b"], "train": "a"})
    result = _result(study)
    cells = {(cell.group, cell.row, cell.seed): cell for cell in result.records}
    source, train = cells[("0%",), "b", 0], cells[("0%",), "a", 0]
    for share in (0.4, 0.1):
        made = record_of(0.0) | {"test": {"ndcg@5": 0.3 - share / 10}}
        result.removed[Removed(source, train, "lowest", share)] = made
    chart = charts_of(study, result)[-1]
    (line,) = chart.series
    assert (line.name, line.x) == ("lowest by b", (0.0, 10.0, 40.0))
    assert line.y == pytest.approx((0.3, 0.29, 0.26))


def test_a_page_s_figure_has_points_and_bars() -> None:
    nan = float("nan")
    figure = draw(Chart("c", "", "", "x", "y", (Series("s<b>", (1, 2), (3.0, 4.0), (nan, 0.5)),)))
    (trace,) = figure.data
    assert list(trace.y) == [3.0, 4.0] and list(trace.error_y.array) == [0, 0.5]
    assert trace.name == "s&lt;b&gt;"


@pytest.mark.skipif(not can_save(), reason="matplotlib isn't installed: pip install .[paper]")
def test_files_are_the_same_when_drawn_again(tmp_path: Path) -> None:
    nan = float("nan")
    lines = (Series("up", (1, 2), (3.0, 4.0), (nan, 0.5)), Series("$a$", (1,), (2.0,), (nan,)))
    chart = Chart("c", "title", "", "x", "y_1 $", lines)
    first = [path.read_bytes() for path in save(chart, tmp_path)]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["c.png", "c.svg"]
    assert b"title" in first[0] and first[1].startswith(b"\x89PNG")
    assert [path.read_bytes() for path in save(chart, tmp_path)] == first
    named = Chart("n", "", "", "method", "y", (Series("", ("a_1", "$b"), (1.0, 2.0), (0.1, nan)),))
    svg = save(named, tmp_path)[0].read_text()
    assert "a_1" in svg and "$b" in svg
