"""What was lost is told in a line and counted; nobody's node is a trial's failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.distributed.mailbox import Notice
from dvr_ray.tuning import faults
from dvr_ray.tuning.faults import Faults
from dvr_ray.tuning.manifest import Manifest


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    """Three trials: finished, with a checkpoint, and without one."""
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "result.json").write_text('{"selection": {}, "best_epoch": 1}')
    (tmp_path / "begun" / "checkpoints" / "epoch-000012").mkdir(parents=True)
    (tmp_path / "bare").mkdir()
    return tmp_path


@pytest.fixture
def counted(trials: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Faults, list[str]]:
    monkeypatch.setattr(faults, "node_names", lambda: {"id": "10.0.0.3", "other": "10.0.0.4"})
    monkeypatch.setattr(faults, "living", lambda: {"other"})
    monkeypatch.setattr(faults, "leaving", dict)
    manifest = Manifest(trials)
    manifest.content["order"] = ["done", "begun", "bare"]
    told: list[str] = []
    return Faults(manifest, told.append), told


def test_trials_of_a_node_are_one_line(counted: tuple[Faults, list[str]], trials: Path) -> None:
    found, told = counted
    for _ in range(2):
        found.process_lost(trials / "begun", "id", told.append)
    found.process_lost(trials / "begun", "other", told.append)
    found.process_lost(trials / "bare", "id", told.append)
    found.process_lost(trials / "bare", "", told.append)
    assert told.pop() == "1 trial begins again"
    found.look()
    assert not told  # more may come
    found.close()
    assert told == [
        "node 10.0.0.3 left: 2 trials go on elsewhere from their checkpoints, 1 trial begins again",
        "1 trial goes on from its checkpoint",  # its node lives, so the process alone was lost
    ]
    assert found.summary() == (
        "lost process (2 times), node 10.0.0.3 left; went on from a checkpoint: 3, began again: 2"
    )


def test_a_resumed_sweep_counts_what_survived(
    counted: tuple[Faults, list[str]], trials: Path
) -> None:
    found, _ = counted
    assert found.summary() == ""
    assert found.resumed(trials) == (
        "1 trial finished before; 1 trial goes on from its checkpoint, 1 trial begins again"
    )
    found.resumed(trials)
    assert found.summary() == (
        "the driver ended (2 times); went on from a checkpoint: 2, began again: 2"
    )


def test_workers_are_counted_once(counted: tuple[Faults, list[str]], trials: Path) -> None:
    """By the node that takes them away, if that is known."""
    found, told = counted
    notices = [
        Notice(str(trials / "begun"), "fewer workers: 1 instead of 2"),
        Notice(str(trials / "begun"), "lost workers: killed", "it goes on"),
        Notice(str(trials / "bare"), "lost workers: moved", "it goes on", "id"),
    ]
    for notice in notices:
        found.workers_changed(notice, told.append)
    found.close()
    assert told == [
        "fewer workers: 1 instead of 2",
        "lost workers: killed; 1 trial goes on from its checkpoint",
        "node 10.0.0.3 left: 1 trial begins again",
    ]
    assert found.summary().startswith("lost workers, node 10.0.0.3 left; ")
