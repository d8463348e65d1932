"""The search itself: trials until the budget is spent, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.group import WorkerGroups
from dvr_ray.training.following import Polling
from dvr_ray.training.stored import Failure, finished, read_failure
from dvr_ray.tuning.faults import Faults
from dvr_ray.tuning.losses import Losses
from dvr_ray.tuning.manifest import Manifest
from dvr_ray.tuning.records import TrialRecord
from dvr_ray.tuning.room import Room
from dvr_ray.tuning.search import Budget, TrialEvents, make_scheduler, make_tuner
from dvr_ray.tuning.searcher import Asked, Searcher
from dvr_ray.tuning.trial import Plan, trainable, trial_folder
from dvr_ray.tuning.watching import Watcher

__all__ = ["open_search", "search"]

SPENT_EVERY_SECONDS = 5.0


def open_search(plan: Plan, manifest: Manifest) -> tuple[Searcher, Budget]:
    """Take up a sweep's search, or begin it; what failed but may be mended is tried again.

    Raises
    ------
    CheckpointError
        If its memory, or the result of a trial, is damaged.
    """
    budget = Budget(manifest.seconds_spent, plan.space.tune.minutes)
    path = plan.here / "ray" / "searcher.pkl"
    searcher = Searcher(plan.space, path, make_scheduler(plan.space), budget.stop_all)
    for asked in searcher.asked:
        where = _folder(plan, asked.values)
        failure = _failure(plan, asked)
        if asked.ended and finished(where) is None and failure and not failure.final:
            searcher.reopen(asked.values)
    return searcher, budget


def search(
    plan: Plan,
    data: TrialData,
    manifest: Manifest,
    room: Room,
    opened: tuple[Searcher, Budget],
    watcher: Watcher,
    groups: WorkerGroups | None,
    faults: Faults,
) -> list[TrialRecord]:
    """Run trials until the budget is spent.

    Parameters
    ----------
    plan : Plan
        The sweep.
    data : TrialData
        What trials may see.
    manifest : Manifest
        Numbers the trials, and keeps the time that was spent.
    room : Room
        For trials side by side.
    opened : tuple
        Of `open_search`.
    watcher : Watcher
        Told of every trial.
    groups : WorkerGroups or None
        Train sharded trials.
    faults : Faults
        Counts what is lost.

    Returns
    -------
    list of TrialRecord
        All trials by number; of those with the same config the first.
    """
    searcher, budget = opened
    clock = _Clock(manifest)
    losses = Losses(plan, searcher, watcher, groups, faults)

    def on_event(which: int, status: str, metrics: dict[str, Any]) -> None:
        clock.tick(SPENT_EVERY_SECONDS)
        watcher.on_event(which, status, metrics)
        if status != "running" and groups is not None:
            # It may have been stopped early.
            groups.drop(plan.here / "trials" / manifest.content["order"][which])

    def leaving() -> set[str]:
        fresh = faults.look()
        if fresh and groups is not None:
            groups.leave(fresh)
        return faults.leaving

    def unfinished() -> bool:
        wanted = plan.space.tune.trials
        return not budget.stop_all() and (wanted is None or searcher.ended < wanted)

    budget.start()
    events = TrialEvents(watcher.number, on_event, losses.take, leaving)
    mailbox = None if groups is None else groups.mailbox
    tried = -1
    try:
        # Tune doesn't try again what it dropped: that takes another round.
        while losses.dropped.total() > tried and unfinished():
            tried = losses.dropped.total()
            tuner = make_tuner(
                plan, trainable, data, mailbox, room.at_once, searcher, budget, events
            )
            with Polling(room.look):
                tuner.fit()
    finally:
        clock.tick(0)
        faults.close()
    if groups is not None:
        groups.drop()  # the time may be up
    return _records(plan, searcher, watcher.number)


def _records(
    plan: Plan, searcher: Searcher, number: Callable[[dict[str, Any]], int]
) -> list[TrialRecord]:
    records: dict[str, TrialRecord] = {}
    for asked in searcher.asked:
        where, failure = _folder(plan, asked.values), _failure(plan, asked)
        if where.name not in records:
            records[where.name] = TrialRecord.read(
                number(asked.values),
                where,
                asked.values,
                plan.space.tune.objectives,
                failure.cause if failure else "",
            )
    return sorted(records.values(), key=lambda record: record.number)


def _folder(plan: Plan, values: dict[str, Any]) -> Path:
    return trial_folder(plan, plan.config(values))


def _failure(plan: Plan, asked: Asked) -> Failure | None:
    noted = read_failure(_folder(plan, asked.values))
    return noted or (Failure(asked.cause) if asked.cause else None)


class _Clock:
    """Adds searching time to the manifest as it passes, so that a kill loses only seconds."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest, self._last = manifest, time.monotonic()

    def tick(self, least: float) -> None:
        passed = time.monotonic() - self._last
        if passed >= least:
            self._manifest.spend(passed)
            self._last += passed
