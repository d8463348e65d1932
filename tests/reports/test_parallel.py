"""Heights and colours of parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.config.space import SearchSpace
from dvr_ray.reports.parallel import ABSENT, LINES, parallel
from dvr_ray.reports.results import SweepResults, load_sweep

FIELDS = [
    "valuator.depth", "valuator.lr", "training.lr", "adapter.reward",
    "policy.bounds", "policy.normalisation", "policy.keep_rate", "ndcg@20",
]  # fmt: skip


@pytest.fixture(scope="module")
def sweep(stored_sweep: Path) -> SweepResults:
    return load_sweep(stored_sweep)


def drawn(sweep: SweepResults) -> Any:
    figure = parallel(sweep)
    assert figure is not None
    return figure


def lines(sweep: SweepResults) -> dict[int, Any]:
    """Traces by trial number, which the hover text names first."""
    figure = drawn(sweep)
    return {int(trace.text[0].split(",")[0].removeprefix("trial ")): trace for trace in figure.data}


def test_each_trial_with_an_objective_is_one_line(sweep: SweepResults) -> None:
    found = lines(sweep)
    assert set(found) == {t.number for t in sweep.trials if t.status != "failed"}
    assert all(len(trace.y) == len(FIELDS) for trace in found.values())


def test_heights_follow_the_values(sweep: SweepResults) -> None:
    """valuator.lr, 1e-4 to 1e-1, is logarithmic; training.lr spans two decades and isn't."""
    found = lines(sweep)
    for trial in sweep.trials:
        if trial.status == "failed":
            continue
        heights = dict(zip(FIELDS, found[trial.number].y, strict=True))
        config = trial.values
        assert heights["valuator.depth"] == pytest.approx((config["valuator.depth"] - 1) / 3)
        assert heights["valuator.lr"] == pytest.approx(
            math.log10(config["valuator.lr"]) / 3 + 4 / 3
        )
        assert heights["training.lr"] == pytest.approx(
            (config["training.lr"] - 1e-3) / (0.1 - 1e-3)
        )
        rewards = ["loss", "recall@20", "ndcg@20"]
        assert heights["adapter.reward"] == rewards.index(config["adapter.reward"]) / 2


def test_a_range_of_more_than_two_decades_is_logarithmic(
    sweep: SweepResults, space_of: Callable[..., SearchSpace]
) -> None:
    """1e-3 to 1 isn't marked log; 0.0316 = 10^-1.5 lies half way up."""
    space = space_of(search={"training.lr": {"float": [1e-3, 1.0]}})
    trial = replace(sweep.trials[0], values={"training.lr": 10**-1.5})
    (found,) = lines(replace(sweep, space=space, trials=(trial,))).values()
    assert found.y[0] == pytest.approx(0.5)


def test_a_field_that_was_not_searched_passes_below(sweep: SweepResults) -> None:
    found = lines(sweep)
    place = FIELDS.index("policy.keep_rate")
    for number, trace in found.items():
        searched = "policy.keep_rate" in sweep.trials[number].values
        assert (trace.y[place] == ABSENT) != searched


def test_choices_and_names_are_written_beside_the_axes(sweep: SweepResults) -> None:
    texts = [note.text for note in drawn(sweep).layout.annotations]
    assert {"loss", "recall@20", "[0.0, 1.0]", "not searched"} <= set(texts)
    assert "valuator.<br><b>lr</b>" in texts
    assert "0.00316" in texts


def test_the_best_line_is_blue_and_on_top(sweep: SweepResults) -> None:
    figure = drawn(sweep)
    assert "trial 7," in figure.data[-1].text[0]
    assert figure.data[-1].line.color == "rgb(59, 125, 216)"
    assert figure.data[0].line.color == "rgb(224, 138, 30)"


def test_stopped_trials_are_dotted(sweep: SweepResults) -> None:
    dotted = {number for number, trace in lines(sweep).items() if trace.line.dash == "dot"}
    assert dotted == {t.number for t in sweep.trials if t.status == "stopped"}


def test_at_most_200_lines_are_drawn_and_the_best_are_among_them(sweep: SweepResults) -> None:
    plain = sweep.trials[0]
    trials = tuple(
        replace(plain, number=n, objectives={"ndcg@20": n / 300}) for n in range(LINES + 20)
    )
    found = lines(replace(sweep, trials=trials))
    assert set(found) == set(range(20, LINES + 20))


def test_nothing_searched_gives_no_figure(
    sweep: SweepResults, space_of: Callable[..., SearchSpace]
) -> None:
    assert parallel(replace(sweep, space=space_of(search={}))) is None
    assert parallel(replace(sweep, trials=())) is None
