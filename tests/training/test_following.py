"""Rows of a run in another process: each once, whole, in order."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from dvr_ray.training.following import Follower, Polling


def _line(epoch: int) -> str:
    return json.dumps({"epoch": epoch}) + "\n"


def _epochs(follower: Follower) -> list[int]:
    return [row["epoch"] for row in follower.fresh()]


def test_new_rows_come_once(tmp_path: Path) -> None:
    follower, path = Follower(tmp_path), tmp_path / "metrics.jsonl"
    assert _epochs(follower) == []
    path.write_text(_line(1) + _line(2))
    assert _epochs(follower) == [1, 2] and _epochs(follower) == []
    with path.open("a") as file:
        file.write(_line(4))
    assert _epochs(follower) == [4] and follower.epoch == 4


def test_a_line_that_is_being_written_comes_when_it_is_whole(tmp_path: Path) -> None:
    follower, path = Follower(tmp_path), tmp_path / "metrics.jsonl"
    text = _line(2)
    path.write_text(_line(1) + text[:5])
    assert _epochs(follower) == [1]
    path.write_text(_line(1) + text)
    assert _epochs(follower) == [2]


def test_rows_of_a_resumed_run_come_once(tmp_path: Path) -> None:
    """Rows 3 and 4 are dropped and trained again, in the same file or in a new one."""
    follower, path = Follower(tmp_path), tmp_path / "metrics.jsonl"
    path.write_text("".join(map(_line, [1, 2, 3, 4])))
    assert _epochs(follower) == [1, 2, 3, 4]
    path.write_text("".join(map(_line, [1, 2])))
    assert _epochs(follower) == []
    other = tmp_path / "new"
    other.write_text("".join(map(_line, [1, 2, 3, 4, 5])))
    other.replace(path)
    assert _epochs(follower) == [5]


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(_line(1) + '{"epo\n' + _line(2))
    assert _epochs(Follower(tmp_path)) == [1, 2]


def test_polling_looks_while_the_block_waits_and_once_more() -> None:
    seen: list[str] = []
    looked = threading.Event()

    def look() -> None:
        seen.append(threading.current_thread().name)
        looked.set()

    with Polling(look):
        assert looked.wait(10)
    assert seen[0] == "polling" and seen[-1] == threading.main_thread().name
