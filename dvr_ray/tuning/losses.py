"""What becomes of trials that lost their process."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dvr_ray.distributed.group import WorkerGroups
from dvr_ray.training.stored import note_failure
from dvr_ray.tuning.faults import Faults
from dvr_ray.tuning.search import RESTARTS, Loss
from dvr_ray.tuning.searcher import Searcher
from dvr_ray.tuning.trial import Plan, trial_folder
from dvr_ray.tuning.watching import Watcher

__all__ = ["Losses"]


class Losses:
    """Decides what becomes of trials that lost their process, and tells it.

    Parameters
    ----------
    plan : Plan
        The sweep.
    searcher : Searcher
        Suggests a trial again that Tune dropped.
    watcher : Watcher
        Told of warnings, and of trials that are given up.
    groups : WorkerGroups or None
        Train sharded trials.
    faults : Faults
        Counts what is lost, and tells how it goes on.

    Attributes
    ----------
    dropped : Counter
        How often Tune dropped a trial, by the trial's folder; the search makes it good.
    """

    def __init__(
        self,
        plan: Plan,
        searcher: Searcher,
        watcher: Watcher,
        groups: WorkerGroups | None,
        faults: Faults,
    ) -> None:
        self._plan, self._searcher, self._watcher = plan, searcher, watcher
        self._groups, self._faults = groups, faults
        self.dropped = Counter[str]()

    def take(self, values: dict[str, Any], loss: Loss) -> None:
        """Give a trial up that was lost too often; have it go on otherwise."""
        folder, cause = trial_folder(self._plan, self._plan.config(values)), loss.failure.cause
        if self._groups is not None:
            self._groups.drop(folder)
        self.dropped[folder.name] += loss.dropped
        if loss.given_up or self.dropped[folder.name] > RESTARTS:
            note_failure(folder, loss.failure)
            self._watcher.warn(values, f"lost process: {cause}; the trial is given up")
            self._watcher.on_event(self._watcher.number(values), "failed", {})
            return
        if loss.dropped:
            self._searcher.reopen(values)
        if not loss.told:
            self._faults.process_lost(
                folder,
                loss.node,
                lambda how: self._watcher.warn(values, f"lost process: {cause}; {how}"),
            )
