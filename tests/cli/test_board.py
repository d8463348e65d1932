"""The table of a sweep on a terminal, plain lines elsewhere, and a sign of life in silence."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from terminal import run_in_terminal

from dvr_ray.cli.board import Board
from dvr_ray.cli.logs import LogFile
from dvr_ray.cli.screen import Screen
from dvr_ray.distributed.usage import ClusterSeen
from dvr_ray.events import (
    Event,
    Note,
    Retraining,
    Started,
    TrialEnded,
    TrialReported,
    TrialStarted,
    Warned,
)

NAME = "0" * 12
# What a sweep of two trials tells, one of which fails.
STORY: list[Event] = [
    Note("Ray is up after 3 s; searching"),
    ClusterSeen(3, 6.0, 1.0, 4.0, 0.5, 2),
    TrialStarted(0, NAME, {"training.lr": 0.01}),
    TrialStarted(1, NAME, {"training.lr": 0.02}),
    TrialReported(4, "bilevel", 0.5, {"ndcg@20": 0.25}, 0.7, "valued", 0),
    Warned("dead: 95% of a layer's units are dead", 0),
    Warned("dead: 99% of a layer's units are dead", 1),
    TrialEnded(1, NAME, "failed", {}, 0, 0.0, "epoch 1: the loss is nan"),
    TrialEnded(0, NAME, "finished", {"ndcg@20": 0.25}, 20, 11.6),
    Note("search ended"),
    Retraining("dvr", 1000, "waiting", 0, 20, 0, 2),
    Retraining("dvr", 1001, "running", 8, 20, 0, 2),
    Retraining("dvr", 1000, "finished", 20, 20, 1, 2),
]


def _started(folder: Path) -> Started:
    return Started("tune", "small", str(folder), 20, {"ndcg@20": "max"}, 2, 1.5, 2)


def _play(folder: Path, screen: Screen, silence: float = 30.0) -> Board:
    log = LogFile(screen.verbose)
    log.attach()
    try:
        with Board(screen, log, silence) as board:
            for event in [_started(folder), *STORY]:
                board.tell(event)
                time.sleep(PAUSE)
    finally:
        log.detach()
    return board


PAUSE = 0.0


def test_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a trial's end; nothing for reports; a warning of a name only once."""
    _play(tmp_path, Screen())
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.splitlines() == [
        "sweep small: 2 trials or 1.5 minutes, whichever ends first, 2 at once; "
        f"results go to {tmp_path}",
        "Ray is up after 3 s; searching",
        "warning trial 0: dead: 95% of a layer's units are dead",
        "trial 1 failed  epochs 0  0 s  error: epoch 1: the loss is nan",
        "trial 0 finished  epochs 20  ndcg@20 0.2500  12 s",
        "search ended",
        "retraining dvr seed 1000 finished  epoch 20  (1 of 2 runs done)",
    ]


def test_quiet_shows_nothing_but_the_log_has_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _play(tmp_path, Screen(quiet=True))
    captured = capsys.readouterr()
    assert not captured.out and not captured.err
    log = (tmp_path / "log.txt").read_text()
    for event in STORY:
        assert str(event) in log
    assert "WARNING dvr_ray.cli.board: trial 1: dead: 99%" in log


def test_silence_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LogFile(False)
    log.attach()
    with Board(Screen(), log, silence=0.1) as board:
        board.tell(_started(tmp_path))
        board.tell(TrialStarted(0, NAME, {}))
        board.tell(ClusterSeen(3, 6.0, 0.0, 4.0, 0.0, 2))
        time.sleep(0.35)
    log.detach()
    alive = [line for line in capsys.readouterr().err.splitlines() if "still" in line]
    assert 1 <= len(alive) <= 3
    assert alive[0].startswith(
        "still searching: 0 of 2 trials done, 1 running, 3 nodes, 4 of 6 CPUs in use, time left"
    )


def test_lines_are_followed_by_silence_not_by_signs_of_life(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _play(tmp_path, Screen(), silence=5.0)
    assert "still" not in capsys.readouterr().err


def test_many_running_trials_are_cut(tmp_path: Path) -> None:
    board = _play(tmp_path, Screen(quiet=True))
    board.progress.retraining.clear()
    for trial in range(2, 14):
        board.tell(TrialStarted(trial, NAME, {}))
    cells = [str(cell) for cell in board.table().columns[1].cells]
    assert "and 4 more" in cells and len(cells) <= 16


def test_table_on_a_terminal(repository: Path, tmp_path: Path) -> None:
    """A real pty: the table is redrawn in place and gone at the end."""
    path = {"PYTHONPATH": os.pathsep.join([str(repository), str(repository / "tests")])}
    code, end, screens = run_in_terminal([sys.executable, __file__, str(tmp_path)], path)
    assert code == 0, end
    lines = end.splitlines()
    assert lines[0].startswith("sweep small: 2 trials")
    assert lines[1] == "warning trial 0: dead: 95% of a layer's units are dead"
    assert not any(lines[2:])
    searching = [s.splitlines() for s in screens if "searching " in s]
    shown = [line for screen in searching for line in screen]
    assert any(
        line.startswith("running      trial 0: epoch 4 of 20  loss 0.5000  ndcg@20 0.2500  keep")
        for line in shown
    )
    row = "cluster      3 nodes, 4 of 6 CPUs, 0.5 of 1 GPUs in use; room for 2 trial(s) at once"
    assert any(line.startswith(row) for line in shown)
    assert any(line.startswith("trials done  1 of 2") for line in shown)
    assert any(line.startswith("failed       1; last: epoch 1: the loss is nan") for line in shown)
    assert any(line.startswith("time left    at most 1:") for line in shown)
    last = next(s.splitlines() for s in reversed(screens) if "retraining " in s)
    assert any(line.startswith("best         ndcg@20 0.2500 (trial 0)") for line in last)
    row = "retraining   1 of 2 runs done; dvr seed 1001 epoch 8 of 20"
    assert any(line.startswith(row) for line in last)
    assert any(line.startswith("warnings     dead in 2 runs") for line in last)
    for screen in screens:  # never two tables at once
        assert sum(line.startswith("time left") for line in screen.splitlines()) <= 1


if __name__ == "__main__":
    PAUSE = 0.3
    _play(Path(sys.argv[1]), Screen())
