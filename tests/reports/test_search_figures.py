"""What the figures of a search show, read from the figures themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.reports.findings import find_sweep
from dvr_ray.reports.results import SweepResults, load_sweep
from dvr_ray.reports.search_figures import curves, history, importance, pareto_fronts


@pytest.fixture(scope="module")
def sweep(stored_sweep: Path) -> SweepResults:
    return load_sweep(stored_sweep)


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def test_history_marks_every_trial_by_its_status(sweep: SweepResults) -> None:
    found = traces(history(sweep, "ndcg@20"))
    marked = {name: set(found[name].x) for name in ("finished", "stopped", "failed")}
    assert {len(numbers) for numbers in marked.values()} == {13, 3, 2}
    assert marked["failed"] == {8, 17}
    assert set.union(*marked.values()) == set(range(18))
    assert len({found[name].marker.symbol for name in marked}) == 3


def test_failed_trials_stand_below_all_others(sweep: SweepResults) -> None:
    found = traces(history(sweep, "ndcg@20"))
    assert max(found["failed"].y) < min([*found["finished"].y, *found["stopped"].y])
    assert "the loss is nan" in found["failed"].text[0]


def test_best_so_far_is_the_running_maximum_of_finished_trials(sweep: SweepResults) -> None:
    found = traces(history(sweep, "ndcg@20"))["best so far"]
    best: list[float] = []
    for trial in sweep.trials:
        if trial.status == "finished":
            best.append(max([*best, trial.objectives["ndcg@20"]]))
    assert list(found.y[:-1]) == best
    assert (found.x[-1], found.y[-1]) == (17, 0.19)


def test_best_so_far_falls_where_less_is_better(
    make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_sweep(tmp_path / "s", final=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(
        json.dumps(manifest | {"directions": {"ndcg@20": "minimize"}})
    )
    heights = traces(history(load_sweep(folder), "ndcg@20"))["best so far"].y
    assert list(heights) == sorted(heights, reverse=True)
    assert heights[0] > heights[-1]


def test_stopped_trials_count_only_where_none_finished(
    make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_sweep(tmp_path / "s", final=False)
    sweep = load_sweep(folder)
    assert {trial.status for trial in sweep.comparable} == {"finished"}
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace("finished", "stopped"))
    sweep = load_sweep(folder)
    assert len(sweep.comparable) == 16
    assert traces(history(sweep, "ndcg@20"))["best so far"].y[-1] == 0.19
    assert find_sweep(sweep).importances


def test_the_plain_run_is_a_level_line(sweep: SweepResults) -> None:
    found = traces(history(sweep, "ndcg@20"))["trial 0, the plain run"]
    assert set(found.y) == {sweep.trials[0].objectives["ndcg@20"]}


def test_the_winners_curve_stands_out(sweep: SweepResults) -> None:
    figure = curves(sweep, "ndcg@20")
    assert len(figure.data) == 16
    winner = traces(figure)["winner, trial 7"]
    assert figure.data[-1] is winner
    assert winner.line.width > max(t.line.width for t in figure.data[:-1])
    assert list(winner.x) == list(range(1, 9))
    assert [trace.name for trace in figure.data if trace.showlegend] == [
        "other trials", "trial 0, the plain run", "winner, trial 7",
    ]  # fmt: skip


def test_importance_shows_shares_most_important_on_top(sweep: SweepResults) -> None:
    """The objective was made from valuator.lr; bars are drawn from below."""
    bars = importance(find_sweep(sweep).importances).data[0]
    assert bars.y[-1] == "valuator.lr"
    assert list(bars.x) == sorted(bars.x)
    assert sum(bars.x) == pytest.approx(1)


def test_importance_needs_four_finished_trials(
    make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    sweep = load_sweep(make_sweep(tmp_path / "s", trials=3, final=False))
    assert find_sweep(sweep).importances == {}


def test_no_trial_beats_one_on_the_front(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    names = ("ndcg@20", "recall@20")
    sweep = load_sweep(make_sweep(tmp_path / "s", objectives=names, final=False))
    (figure,) = pareto_fronts(sweep, find_sweep(sweep).front)
    found = traces(figure)
    on_front = found["on the front"]
    front = set(zip(on_front.x, on_front.y, strict=True))
    beaten = found["beaten by another trial"]
    below = set(zip(beaten.x, beaten.y, strict=True))
    assert front and below
    assert len(front | below) == 13
    for point in front | below:
        better = any(o != point and o[0] >= point[0] and o[1] >= point[1] for o in front | below)
        assert better == (point in below)


def test_three_objectives_give_three_pairs(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    names = ("ndcg@20", "recall@20", "ndcg@5")
    sweep = load_sweep(make_sweep(tmp_path / "s", objectives=names, final=False))
    assert len(pareto_fronts(sweep, find_sweep(sweep).front)) == 3


def test_one_objective_has_no_front(sweep: SweepResults) -> None:
    assert find_sweep(sweep).front == ()
    assert pareto_fronts(sweep, ()) == []
