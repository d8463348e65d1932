"""A reporter that sends every row to the run's trackers first, each row once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvr_ray.config.load import config_hash
from dvr_ray.config.schema import RunConfig
from dvr_ray.tracking import TRACKERS, TrackedRun, Tracker, Tracking
from dvr_ray.tracking.tracker import scalars
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.reporter import Reporter

__all__ = ["tracked"]

SENT = "tracked.json"


@contextmanager
def tracked(
    reporter: Reporter,
    tracking: Tracking,
    config: RunConfig,
    folder: Path,
    known: Sequence[dict[str, Any]] = (),
) -> Iterator[Reporter]:
    """Put the trackers of a run before its reporter.

    Parameters
    ----------
    reporter : Reporter
        Gets every row after the trackers.
    tracking : Tracking
        What is asked for; without any tracker, the reporter itself is returned.
    config : RunConfig
        The run.
    folder : Path
        Its folder; ``tracked.json`` there holds the last epoch that each tracker got.
    known : sequence of dict
        Rows of earlier; a tracker gets those that it hasn't got yet.
    """
    if not tracking.config.names:
        yield reporter
        return
    run = TrackedRun(
        folder=folder,
        identity=config_hash(config),
        name=_name(folder, tracking.root),
        config=config.model_dump(mode="json"),
        project=tracking.project,
        root=tracking.root,
    )
    sender = _Tracked(reporter, run)
    try:
        for name in tracking.config.names:
            sender.open(name, known)
        yield sender
    finally:
        sender.close()


class _Tracked:
    def __init__(self, reporter: Reporter, run: TrackedRun) -> None:
        self._reporter, self._run = reporter, run
        self._trackers: dict[str, Tracker] = {}
        self._notes: list[str] = []
        self._path = run.folder / SENT
        self._sent: dict[str, int] = {}
        if self._path.exists():
            self._sent = json.loads(self._path.read_text(encoding="utf-8"))

    def open(self, name: str, known: Sequence[dict[str, Any]]) -> None:
        with _Guard(self, name):
            self._trackers[name] = TRACKERS.get(name)(self._run)
            for row in known:
                self._send(name, row)

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        for name in list(self._trackers):
            with _Guard(self, name):
                self._send(name, row)
        if self._notes:
            row["warnings"], self._notes = [*row.get("warnings", ()), *self._notes], []
        self._reporter.report(row, checkpoint)

    def close(self) -> None:
        for name in list(self._trackers):
            with _Guard(self, name):
                self._trackers[name].close()

    def give_up(self, name: str, error: Exception) -> None:
        """A tracker's fault doesn't end the training."""
        self._trackers.pop(name, None)
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self._notes.append(f"tracking.{name}: gets no more numbers ({cause}); the run goes on")

    def _send(self, name: str, row: dict[str, Any]) -> None:
        epoch = row["epoch"]
        if epoch <= self._sent.get(name, 0):
            return
        self._trackers[name].report(epoch, scalars(row))
        self._sent[name] = epoch
        write_json(self._path, self._sent)


class _Guard:
    """Turns what a tracker raises into a warning."""

    def __init__(self, owner: _Tracked, name: str) -> None:
        self._owner, self._name = owner, name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._owner.give_up(self._name, error)
        return True


def _name(folder: Path, root: Path) -> str:
    """Return a run's name: its folder below the sweep's."""
    below = folder.resolve()
    if below.is_relative_to(root.resolve()) and below != root.resolve():
        return str(below.relative_to(root.resolve()))
    return folder.name
