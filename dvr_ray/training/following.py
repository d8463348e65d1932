"""Watching runs that train in other processes, through the rows that they write."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dvr_ray.events import Event, Reported, TrialReported, Warned

__all__ = ["Follower", "Polling", "news"]

SECONDS = 0.3


class Follower:
    """Reads the rows of a run's ``metrics.jsonl`` that weren't there before.

    A run that goes on from a checkpoint drops rows and writes them again; those aren't returned
    twice.

    Parameters
    ----------
    folder : Path
        The run's folder; may be missing yet.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"
        self.epoch, self._offset, self._file = 0, 0, -1

    def fresh(self) -> list[dict[str, Any]]:
        """Return the new rows; a line that is still being written comes next time."""
        rows = []
        for line in self._unread().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["epoch"] > self.epoch:
                self.epoch = row["epoch"]
                rows.append(row)
        return rows

    def _unread(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                found = self._path.stat()
                if found.st_ino != self._file or found.st_size < self._offset:
                    self._file, self._offset = found.st_ino, 0
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return b""
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole


class Polling:
    """Looks again and again while the block below ``with`` waits, and once more at its end.

    Parameters
    ----------
    look : callable
        Is called in a thread of its own, at last in the caller's.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="polling", daemon=True)

    def __enter__(self) -> Polling:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _repeat(self) -> None:
        while not self._ended.wait(SECONDS):
            self._look()


def news(row: Mapping[str, Any], metrics: tuple[str, ...], trial: int | None = None) -> list[Event]:
    """Return the events of one row of ``metrics.jsonl``.

    Parameters
    ----------
    row : dict
        The row.
    metrics : tuple of str
        Metrics on validation-selection to pass on, the most important first.
    trial : int, optional
        Number of the trial whose row it is.
    """
    kept = {name: row["selection"][name] for name in metrics if name in row["selection"]}
    fields: dict[str, Any] = {
        "epoch": row["epoch"],
        "phase": row["phase"],
        "loss": row["loss"],
        "selection": kept,
        "keep_rate": row.get("keep_rate"),
        "adopted": row.get("adopted"),
    }
    told: Event = Reported(**fields) if trial is None else TrialReported(**fields, trial=trial)
    return [told, *(Warned(text, trial) for text in row.get("warnings", ()))]
