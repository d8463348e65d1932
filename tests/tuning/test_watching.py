"""What Tune calls back with, and what trials write, becomes events."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import Distribution, SearchSpace, TuneConfig
from dvr_ray.events import Event, Retraining, TrialEnded, TrialReported, TrialStarted, Warned
from dvr_ray.training.stored import Failure, note_failure
from dvr_ray.tuning.search import Loss, TrialEvents
from dvr_ray.tuning.trial import FAILURE, Plan, trial_folder
from dvr_ray.tuning.watching import FinalWatcher, Watcher

SPACE = SearchSpace(
    run=RunConfig(),
    search={"training.lr": Distribution(float=(0.001, 0.1))},  # type: ignore[call-arg]
    tune=TuneConfig(objective="ndcg@20", trials=3),
)


def _row(epoch: int, value: float, *warnings: str) -> dict[str, Any]:
    row: dict[str, Any] = {"epoch": epoch, "phase": "train", "loss": 1 / epoch, "seconds": 2.0}
    row |= {"selection": {"ndcg@20": value, "recall@20": 0.5}}
    return row | ({"warnings": list(warnings)} if warnings else {})


def _write(folder: Path, *rows: dict[str, Any], finished: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    if finished:
        best = {"selection": {"ndcg@20": 0.4}, "best_epoch": 1, "status": "finished"}
        (folder / "result.json").write_text(json.dumps(best))


class Sweep:
    """A watcher with Tune's side and the trials' side played by the test."""

    def __init__(self, folder: Path) -> None:
        self.plan = Plan(SPACE, str(folder))
        self.events: list[Event] = []
        self.order: list[str] = []
        self.leaving: set[str] = set()
        self.losses: list[Loss] = []
        watcher = Watcher(self.plan, self._number, self.events.append)
        self.watcher, self.tune = (
            watcher,
            TrialEvents(watcher.number, watcher.on_event, self._lost, lambda: self.leaving),
        )

    def _number(self, folder: str) -> int:
        if folder not in self.order:
            self.order.append(folder)
        return self.order.index(folder)

    def _lost(self, values: dict[str, Any], loss: Loss) -> None:
        self.losses.append(loss)

    def trial(self, lr: float) -> Any:
        state = types.SimpleNamespace(ray_actor="actor")
        return types.SimpleNamespace(
            config={"training.lr": lr}, last_result={}, trial_id=f"at {lr}", max_failures=2,
            temporary_state=state, should_recover=lambda: True,
        )  # fmt: skip

    def folder(self, lr: float) -> Path:
        return trial_folder(self.plan, self.plan.config({"training.lr": lr}))

    def taken(self) -> list[Event]:
        found, self.events[:] = list(self.events), []
        return found


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def test_life_of_a_trial(sweep: Sweep) -> None:
    trial, folder = sweep.trial(0.01), sweep.folder(0.01)
    sweep.tune.on_trial_start(0, [], trial)
    assert sweep.taken() == [TrialStarted(0, folder.name, {"training.lr": 0.01})]
    _write(folder, _row(1, 0.4), _row(2, 0.3, "dead: x"))
    sweep.tune.on_trial_result(0, [], trial, {"ndcg@20": 0.4})
    assert sweep.taken() == [
        TrialReported(1, "train", 1.0, {"ndcg@20": 0.4}, trial=0),
        TrialReported(2, "train", 0.5, {"ndcg@20": 0.3}, trial=0),
        Warned("dead: x", 0),
    ]
    _write(folder, finished=True)
    sweep.tune.on_trial_complete(0, [], trial)
    assert sweep.taken() == [TrialEnded(0, folder.name, "finished", {"ndcg@20": 0.4}, 2, 2.0)]


def test_a_stopped_trial_has_no_result(sweep: Sweep) -> None:
    trial, folder = sweep.trial(0.01), sweep.folder(0.01)
    sweep.tune.on_trial_start(0, [], trial)
    _write(folder, _row(1, 0.4), _row(2, 0.3))
    sweep.tune.on_trial_complete(0, [], trial)
    assert sweep.taken()[-1] == TrialEnded(0, folder.name, "stopped", {"ndcg@20": 0.4}, 2, 2.0)


def test_a_failed_trial_has_its_cause_and_the_log_its_traceback(
    sweep: Sweep, caplog: pytest.LogCaptureFixture
) -> None:
    trial, folder = sweep.trial(0.01), sweep.folder(0.01)
    sweep.tune.on_trial_start(0, [], trial)
    folder.mkdir(parents=True)
    try:
        raise ValueError("no negatives")
    except ValueError as error:
        note_failure(folder, Failure.of(error))
    trial.last_result = {FAILURE: "ValueError: no negatives"}
    sweep.tune.on_trial_complete(0, [], trial)
    ended = sweep.taken()[-1]
    assert isinstance(ended, TrialEnded)
    assert ended.status == "failed" and ended.error == "ValueError: no negatives"
    assert ended.folder == folder.name
    assert "trial 0 failed: ValueError: no negatives" in caplog.text
    assert "Traceback" in caplog.text and "test_watching.py" in caplog.text


def test_a_lost_process_is_a_warning_of_its_trial(sweep: Sweep) -> None:
    sweep.watcher.warn({"training.lr": 0.01}, "lost process: killed")
    assert sweep.taken() == [Warned("lost process: killed", 0)]


def test_a_trial_leaves_a_node_that_was_given_notice(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its report; that it lost its process then is the node's doing and no failure."""
    killed: list[Any] = []
    monkeypatch.setattr("dvr_ray.tuning.search.ray.kill", killed.append)
    trial = sweep.trial(0.01)
    sweep.tune.on_trial_start(0, [], trial)
    sweep.tune.on_step_begin(0, [])
    sweep.tune.on_trial_result(0, [], trial, {"node": "doomed"})
    sweep.leaving = {"doomed"}
    sweep.tune.on_step_begin(1, [])
    sweep.tune.on_trial_result(1, [], trial, {"node": "safe"})
    sweep.tune.on_trial_result(1, [], trial, {"node": "doomed", "done": True})
    assert not killed and trial.max_failures == 2
    sweep.tune.on_trial_result(1, [], trial, {"node": "doomed"})
    assert killed == ["actor"] and trial.max_failures == 3
    sweep.tune.on_trial_recover(1, [], trial)
    assert [(loss.node, loss.given_up) for loss in sweep.losses] == [("doomed", False)]
    trial.temporary_state.ray_actor = "another"
    sweep.tune.on_trial_start(1, [], trial)
    sweep.tune.on_trial_recover(1, [], trial)
    assert sweep.losses[1].node == ""  # where that one is isn't known yet


def test_a_trial_that_tune_drops_is_no_failed_one(sweep: Sweep) -> None:
    """It is told once, whether Tune had tried it again before it gave it up or not."""
    trial = sweep.trial(0.01)
    sweep.tune.on_trial_error(0, [], trial)
    sweep.tune.on_trial_recover(0, [], trial)
    sweep.tune.on_trial_error(0, [], trial)
    assert [(loss.dropped, loss.told) for loss in sweep.losses] == [
        (True, False), (False, False), (True, True),
    ]  # fmt: skip
    assert not any(loss.given_up for loss in sweep.losses) and not sweep.taken()
    sweep.tune.on_trial_start(0, [], trial)
    sweep.tune.on_trial_error(0, [], trial)
    assert sweep.losses[-1].dropped and not sweep.losses[-1].told
    trial.should_recover = lambda: False
    sweep.tune.on_trial_error(0, [], trial)
    assert sweep.losses[-1].given_up and not sweep.losses[-1].dropped
    assert [type(event) for event in sweep.taken()] == [TrialStarted]


def test_a_resumed_trial_tells_only_what_is_new(sweep: Sweep) -> None:
    trial, folder = sweep.trial(0.01), sweep.folder(0.01)
    _write(folder, _row(1, 0.4), _row(2, 0.3))
    sweep.tune.on_trial_start(0, [], trial)
    assert len(sweep.taken()) == 1
    _write(folder, _row(3, 0.2))
    sweep.tune.on_trial_result(0, [], trial, {})
    assert [e.epoch for e in sweep.taken() if isinstance(e, TrialReported)] == [3]


def test_trials_that_had_finished_are_told_on_resuming(sweep: Sweep, tmp_path: Path) -> None:
    _write(sweep.folder(0.01), _row(1, 0.4), finished=True)
    _write(sweep.folder(0.02), _row(1, 0.4))
    sweep.watcher.tell_earlier([sweep.folder(0.02).name, sweep.folder(0.01).name], "so")
    event, note = sweep.taken()
    assert str(note) == "going on: so"
    assert isinstance(event, TrialEnded)
    assert event.trial == 1 and event.earlier and event.status == "finished"


def test_retraining_is_told_run_by_run(tmp_path: Path) -> None:
    folders = {("dvr", 1000): tmp_path / "a", ("keep-all", 1000): tmp_path / "b"}
    events: list[Event] = []
    watcher = FinalWatcher(folders, 20, events.append)
    watcher.begin()
    watcher.look()
    assert events == [
        Retraining("dvr", 1000, "waiting", 0, 20, 0, 2),
        Retraining("keep-all", 1000, "waiting", 0, 20, 0, 2),
    ]
    events.clear()
    _write(tmp_path / "a", _row(1, 0.4), _row(2, 0.4, "dead: x"))
    watcher.look()
    assert events == [
        Warned("dead: x", run="retraining dvr seed 1000"),
        Retraining("dvr", 1000, "running", 2, 20, 0, 2),
    ]
    events.clear()
    _write(tmp_path / "a", _row(3, 0.4), finished=True)
    _write(tmp_path / "b", _row(5, 0.4), finished=True)
    watcher.look()
    watcher.look()
    assert events == [
        Retraining("dvr", 1000, "finished", 3, 20, 1, 2),
        Retraining("keep-all", 1000, "finished", 5, 20, 2, 2),
    ]
