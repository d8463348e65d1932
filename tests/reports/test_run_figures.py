"""What the figures of a run show, read from the figures themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dvr_ray.reports.results import RunResults, load_run
from dvr_ray.reports.run_figures import learning, monitors
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
