"""What the driver sees of a sweep: Tune's calls and the trials' own files, told as events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import StorageError
from dvr_ray.events import Note, Retraining, Started, Tell, TrialEnded, TrialStarted, Warned
from dvr_ray.metrics import parse
from dvr_ray.training.following import Follower, news
from dvr_ray.training.stored import Failure, finished, read_failure
from dvr_ray.tuning.manifest import Manifest
from dvr_ray.tuning.records import TrialRecord
from dvr_ray.tuning.suggest import decoded
from dvr_ray.tuning.trial import Plan, trial_folder

__all__ = ["FinalWatcher", "Watcher", "started"]

LOG = logging.getLogger(__name__)


def started(space: SearchSpace, folder: Path, manifest: Manifest, at_once: int) -> Started:
    """Return the event that opens a sweep."""
    directions = {n: "max" if parse(n).higher_is_better else "min" for n in space.tune.objectives}
    return Started(
        verb="tune",
        name=space.name,
        folder=str(folder),
        epochs=space.run.training.epochs,
        objectives=directions,
        trials=space.tune.trials,
        minutes=space.tune.minutes,
        at_once=at_once,
        seconds_spent=manifest.seconds_spent,
    )


class Watcher:
    """Turns what Tune calls back with into events.

    Tune's reports hold the objectives alone; loss, keep-rate and warnings are read from the
    trial's ``metrics.jsonl``.

    Parameters
    ----------
    plan : Plan
        The sweep.
    number : callable
        Numbers a trial by its folder's name.
    tell : callable
        Takes the events.
    """

    def __init__(self, plan: Plan, number: Callable[[str], int], tell: Tell) -> None:
        self._plan, self._number, self._tell = plan, number, tell
        self._values: dict[int, dict[str, Any]] = {}
        self._followers: dict[int, Follower] = {}

    def number(self, values: dict[str, Any]) -> int:
        """Number a trial by its suggested values, and remember them."""
        number = self._number(self._folder(values).name)
        self._values[number] = values
        return number

    def on_event(self, number: int, status: str, metrics: dict[str, Any]) -> None:
        """Take a trial's start, report or end, as `dvr_ray.tuning.search.TrialEvents` tells it."""
        values = self._values[number]
        folder = self._folder(values)
        if number not in self._followers:
            self._followers[number] = Follower(folder)
            self._followers[number].fresh()  # what a resumed trial told before
            named = decoded(self._plan.space, values)
            self._tell(TrialStarted(number, folder.name, named))
        follower = self._followers[number]
        rows = follower.fresh()
        if metrics.get("epoch", 0) > follower.epoch or (status != "running" and not _ended(folder)):
            self._take_over(folder)
            rows += follower.fresh()
        for row in rows:
            for event in news(row, self._plan.space.tune.objectives, number):
                self._tell(event)
        if status != "running":
            del self._followers[number]
            self._end(number, folder, status)

    def _take_over(self, folder: Path) -> None:
        """Fetch what a trial on another machine has written."""
        mirror = self._plan.mirror_of(folder)
        if mirror is not None:
            try:
                mirror.fetch(light=True)
            except StorageError as error:
                LOG.warning("%s", error)

    def tell_earlier(self, order: list[str], how: str) -> None:
        """Tell the trials that had finished before a resumption, and how it goes on."""
        folders = [self._plan.here / "trials" / name for name in order]
        done = {n: folder for n, folder in enumerate(folders) if finished(folder) is not None}
        for number, folder in done.items():
            self._tell(self._ended(number, folder, "", earlier=True))
        if order:
            self._tell(Note(f"going on: {how}"))

    def warn(self, values: dict[str, Any], text: str) -> None:
        """Tell a warning of a trial."""
        self._tell(Warned(text, trial=self.number(values)))

    def warn_of(self, folder: str, text: str) -> None:
        """Tell a warning of a run by its folder: of a trial, or of one of the retraining."""
        path = Path(folder)
        if path.parent.name == "trials":
            self._tell(Warned(text, trial=self._number(path.name)))
        else:
            run = f"retraining {path.parent.name} {path.name.replace('-', ' ')}"
            self._tell(Warned(text, run=run))

    def _end(self, number: int, folder: Path, status: str) -> None:
        cause = ""
        if status == "failed":
            failure = read_failure(folder) or Failure("its cause isn't known")
            cause = failure.cause
            LOG.error("trial %d failed: %s\n%s", number, cause, failure.trace)
        self._tell(self._ended(number, folder, cause))

    def _ended(self, number: int, folder: Path, error: str, earlier: bool = False) -> TrialEnded:
        record = TrialRecord.read(number, folder, {}, self._plan.space.tune.objectives, error)
        return TrialEnded(
            trial=number,
            folder=record.folder,
            status=record.status,
            objectives=record.objectives,
            epochs=record.epochs,
            seconds=record.seconds,
            error=record.error,
            earlier=earlier,
        )

    def _folder(self, values: dict[str, Any]) -> Path:
        return trial_folder(self._plan, self._plan.config(values))


def _ended(folder: Path) -> bool:
    return finished(folder) is not None or read_failure(folder) is not None


class FinalWatcher:
    """Tells how far the retraining of the winner is.

    Parameters
    ----------
    folders : dict of Path
        Folders of all its runs, by method and seed.
    epochs : int
        Ceiling of epochs of a run.
    tell : callable
        Takes the events.
    """

    def __init__(self, folders: dict[tuple[str, int], Path], epochs: int, tell: Tell) -> None:
        self._folders, self._ceiling, self._tell = folders, epochs, tell
        self._followers = {key: Follower(folder) for key, folder in folders.items()}
        self._done: set[tuple[str, int]] = set()

    def begin(self) -> None:
        """Tell which runs there will be."""
        for key in self._folders:
            self._say(key, "waiting")

    def look(self) -> None:
        """Tell what is new in the runs' folders."""
        for key, follower in self._followers.items():
            if key in self._done:
                continue
            ended = finished(self._folders[key]) is not None
            rows = follower.fresh()
            for text in [text for row in rows for text in row.get("warnings", ())]:
                self._tell(Warned(text, run=f"retraining {key[0]} seed {key[1]}"))
            if ended:
                self._done.add(key)
                self._say(key, "finished")
            elif rows:
                self._say(key, "running")

    def _say(self, key: tuple[str, int], status: str) -> None:
        self._tell(
            Retraining(
                method=key[0],
                seed=key[1],
                status=status,
                epoch=self._followers[key].epoch,
                epochs=self._ceiling,
                done=len(self._done),
                runs=len(self._folders),
            )
        )
