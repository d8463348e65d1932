"""What the figures of a run show, read from the figures themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvr_ray.reports.auc import separations
from dvr_ray.reports.results import RunResults, load_run
from dvr_ray.reports.run_figures import distributions, learning, monitors, roc
from dvr_ray.reports.stored import Report


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return load_run(make_run(tmp_path_factory.mktemp("runs") / "run", rows=900))


def test_learning_shows_metric_loss_and_reward(run: RunResults) -> None:
    found = learning(run)
    assert list(found) == ["ndcg@20", "training loss", "reward ndcg@20"]
    loss = found["training loss"].data[0]
    assert list(loss.x) == list(range(1, 9))
    assert list(loss.y) == [report.loss for report in run.reports]


def test_the_gates_two_models_are_drawn_apart(run: RunResults) -> None:
    valued, control = learning(run)["ndcg@20"].data
    assert (valued.name, control.name) == ("with values", "keep-all control")
    assert list(control.x) == [3, 4, 5, 6, 7, 8]
    assert valued.y[-1] == run.reports[-1].valued["ndcg@20"]
    assert valued.y[0] == run.reports[0].selection["ndcg@20"]


def test_monitors_are_all_numbers_and_lists_of_numbers(run: RunResults) -> None:
    found = monitors(run.reports)
    assert list(found) == [
        "keep_rate", "entropy", "advantage_variance", "value_spread", "coverage",
        "reward_per_mask",
    ]  # fmt: skip
    assert len(found["coverage"].data) == 2
    assert len(found["reward_per_mask"].data) == 4
    assert list(found["coverage"].data[0].y) == [0.4] * 6


def test_monitors_that_are_not_finite_leave_a_gap() -> None:
    reports = [
        Report(epoch=1, monitors={"a": 1.0, "flag": True}),
        Report(epoch=2, monitors={"a": float("nan"), "flag": True}),
        Report(epoch=3, monitors={"a": 3}),
    ]
    found = monitors(reports)
    assert list(found) == ["a"]
    assert list(found["a"].data[0].x) == [1, 3]


def test_histograms_are_shares_of_planted_and_real_rows(run: RunResults) -> None:
    assert run.values is not None
    real, planted = distributions(run.values)["value"].data
    assert (real.name, planted.name) == ("real, 771 rows", "planted, 129 rows")
    assert sum(real.y) == pytest.approx(1)
    assert sum(planted.y) == pytest.approx(1)
    centre = [np.dot(bars.x, bars.y) for bars in (planted, real)]
    means = run.values.groupby("planted")["value"].mean()
    assert centre == pytest.approx([means[True], means[False]], abs=0.05)


def test_without_planted_rows_there_is_one_histogram() -> None:
    table = pd.DataFrame({"value": [1.0, 2.0, np.nan], "planted": [False] * 3})
    found = distributions(table)
    assert list(found) == ["value"]
    (bars,) = found["value"].data
    assert bars.name == "all rows, 2 rows"
    assert sum(bars.y) == pytest.approx(1)


def test_equal_values_give_one_bar() -> None:
    (bars,) = distributions(pd.DataFrame({"value": [0.5] * 10}))["value"].data
    assert sorted(bars.y)[-2:] == [0, 1]


def test_the_roc_names_every_auc_and_calls_chance_chance(run: RunResults) -> None:
    assert run.values is not None
    table = run.values.assign(**{"feature.flat.0": 0.0})
    names = [trace.name for trace in roc(separations(table)).data]
    assert names[0] == f"value: {separations(table)[0].auc:.2f}".replace(" 0.", " .")
    assert [name.split(":")[0] for name in names] == [
        "value", "mean loss", "mean of features", "agreement", "overlap", "counts.0",
        "counts.1", "flat", "chance",
    ]  # fmt: skip
    assert names[7] == "flat: chance (.50 ± .05)"
