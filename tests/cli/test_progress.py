"""Counts, best and time left of a sweep, from its events and a clock of our own."""

from __future__ import annotations

import pytest

from dvr_ray.cli.progress import SweepProgress, clock
from dvr_ray.events import Event, Retraining, Started, TrialEnded, TrialReported, TrialStarted


def _started(**fields: object) -> Started:
    given: dict[str, object] = {"objectives": {"ndcg@20": "max"}, "trials": 4, "at_once": 2}
    return Started("tune", "s", "runs/s", 20, **(given | fields))  # type: ignore[arg-type]


def _ended(trial: int, status: str = "finished", value: float | None = 0.1) -> TrialEnded:
    objectives = {} if value is None else {"ndcg@20": value}
    return TrialEnded(trial, "0" * 12, status, objectives, 20, 9.0)


def _begin(trial: int) -> TrialStarted:
    return TrialStarted(trial, "0" * 12, {})


def _after(*events: tuple[float, Event]) -> SweepProgress:
    progress = SweepProgress()
    for now, event in events:
        progress.take(event, now)
    return progress


def test_a_trial_is_running_until_it_ends() -> None:
    progress = _after((0, _started()), (1, _begin(0)), (1, _begin(1)))
    progress.take(TrialReported(3, "train", 0.5, {"ndcg@20": 0.2}, trial=1), 2)
    assert set(progress.running) == {0, 1} and progress.latest[1].epoch == 3
    progress.take(_ended(1, "failed", None), 3)
    assert set(progress.running) == {0} and not progress.latest
    assert [event.trial for event in progress.failed] == [1]
    # An interrupted trial that goes on is no longer among the ended.
    progress.take(_begin(1), 4)
    assert not progress.ended and set(progress.running) == {0, 1}


@pytest.mark.parametrize(("direction", "best"), [("max", (0.3, 2)), ("min", (0.1, 0))])
def test_best_is_the_best_finished_trial(direction: str, best: tuple[float, int]) -> None:
    progress = _after(
        (0, _started(objectives={"ndcg@20": direction})),
        (1, _ended(0, value=0.1)),
        (2, _ended(1, "stopped", 0.9 if direction == "max" else 0.01)),
        (3, _ended(2, value=0.3)),
        (4, _ended(3, value=0.1 if direction == "min" else 0.3)),
    )
    assert progress.best() == {"ndcg@20": best}


def test_stopped_trials_count_until_one_has_finished() -> None:
    progress = _after((0, _started()), (1, _ended(1, "stopped", 0.9)))
    assert progress.best() == {"ndcg@20": (0.9, 1)}
    assert not _after((0, _started()), (1, _ended(0, "failed", None))).best()


def test_time_left_is_unknown_before_a_trial_has_ended() -> None:
    progress = _after((0, _started()), (1, _begin(0)))
    assert progress.time_left(5) == "unknown until a trial has ended"
    assert SweepProgress().time_left(5) == "unknown"


def test_time_left_by_trials() -> None:
    # Trial 0 took 10 s. At 20 s trial 1 has run for 4 s: 6 left. 2 wait, 10 s each, 2 at once.
    progress = _after((0, _started()), (0, _begin(0)), (10, _ended(0)), (16, _begin(1)))
    assert progress.time_left(20) == "about 0:13"
    # A trial that takes longer than the mean adds nothing below zero: (0 + 20) / 2.
    assert progress.time_left(100) == "about 0:10"


def test_failed_trials_say_nothing_of_how_long_one_takes() -> None:
    progress = _after((0, _started()), (0, _begin(0)), (1, _ended(0, "failed", None)))
    assert progress.time_left(2) == "unknown until a trial has ended"


def test_time_left_by_minutes() -> None:
    """Two minutes, of which 30 s were spent before and 20 s since: 70 s."""
    both = _after((100, _started(minutes=2.0, seconds_spent=30.0)))
    assert both.time_left(120) == "at most 1:10 (budget of minutes)"
    alone = _after((100, _started(minutes=2.0, trials=None, seconds_spent=30.0)))
    assert alone.time_left(120) == "about 1:10 (budget of minutes)"
    assert alone.time_left(400) == "about 0:00 (budget of minutes)"


def test_the_budget_that_ends_first_is_shown() -> None:
    slow = _after((0, _started(minutes=1.0)), (0, _begin(0)), (40, _ended(0)))
    assert slow.time_left(40) == "about 0:20 (budget of minutes)"
    fast = _after((0, _started(minutes=10.0)), (0, _begin(0)), (10, _ended(0)))
    assert fast.time_left(10) == "about 0:15"


def test_earlier_trials_count_as_done() -> None:
    earlier = TrialEnded(0, "0" * 12, "finished", {"ndcg@20": 0.5}, 20, 9.0, earlier=True)
    progress = _after((0, _started(trials=1)), (0, earlier))
    assert progress.best() == {"ndcg@20": (0.5, 0)}
    assert progress.time_left(0) == "none: the last trial has ended"


def test_time_left_of_the_retraining() -> None:
    """2 runs of 20 epochs: one finished early, one at epoch 4: 24 of 40 after 12 s, 8 s left."""
    progress = _after((0, _started()), (50, Retraining("dvr", 1000, "waiting", 0, 20, 0, 2)))
    assert progress.time_left(50.5) == "unknown yet"
    progress.take(Retraining("dvr", 1000, "finished", 9, 20, 1, 2), 60)
    progress.take(Retraining("keep-all", 1000, "running", 4, 20, 1, 2), 61)
    assert progress.time_left(62) == "at most about 0:08"


def test_clock() -> None:
    assert [clock(s) for s in (0, 7.4, 750, 3723)] == ["0:00", "0:07", "12:30", "1:02:03"]
