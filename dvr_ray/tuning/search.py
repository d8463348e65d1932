"""Ray Tune's part of a sweep: scheduler, budget, and news of its trials."""

from __future__ import annotations

import functools
import pickle
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import TrialData
from dvr_ray.metrics import parse
from dvr_ray.training.stored import Failure
from dvr_ray.tuning.room import FollowingLimiter
from dvr_ray.tuning.searcher import Searcher
from dvr_ray.tuning.trial import FAILURE, Plan

__all__ = ["Budget", "TrialEvents", "make_scheduler", "make_tuner"]

DRIVER_BYTES = 1 << 20
RESTARTS = 2
STORED = "tune"


class Budget(Stopper):  # type: ignore[misc]
    """Ends the search when its minutes are spent, over all resumptions together.

    Parameters
    ----------
    spent : float
        Seconds spent before.
    minutes : float or None
        The budget; None is none.
    """

    def __init__(self, spent: float, minutes: float | None) -> None:
        self._left = None if minutes is None else 60 * minutes - spent
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._started = time.time()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Trials aren't stopped one by one."""
        return False

    def stop_all(self) -> bool:
        """Whether the time is up."""
        return self._left is not None and time.time() - self._started >= self._left


class TrialEvents(Callback):  # type: ignore[misc]
    """Passes the life of trials on to whoever shows it.

    Parameters
    ----------
    number : callable
        Numbers a trial by its suggested values.
    on_event : callable
        Takes trial number, status and latest metrics.
    on_loss : callable
        Takes the values of a trial that lost its process, why, and whether it is given up.
    """

    def __init__(
        self,
        number: Callable[[dict[str, Any]], int],
        on_event: Callable[[int, str, dict[str, Any]], None],
        on_loss: Callable[[dict[str, Any], Failure, bool], None],
    ) -> None:
        self._number, self._on_event, self._on_loss = number, on_event, on_loss

    def _tell(self, trial: Any, status: str, metrics: dict[str, Any]) -> None:
        self._on_event(self._number(trial.config), status, metrics)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial begins."""
        self._tell(trial, "running", {})

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports."""
        self._tell(trial, "running", result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial ends."""
        last = trial.last_result or {}
        self._tell(trial, "failed" if FAILURE in last else "done", last)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial lost its process and gets another one."""
        self._on_loss(trial.config, _lost(trial), False)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial lost its process once too often."""
        self._on_loss(trial.config, _lost(trial), True)
        self._tell(trial, "failed", {})

    def __getstate__(self) -> dict[str, Any]:
        """Terminal and listeners stay in this process."""
        return {"_number": _nobody, "_on_event": _nobody, "_on_loss": _nobody}


def _nobody(*news: Any) -> int:
    """Take no notice."""
    return 0


def _lost(trial: Any) -> Failure:
    """Why a trial has no process any more, from Ray's long story."""
    error = getattr(trial, "pickled_error_file", None) and Path(trial.pickled_error_file)
    story = str(pickle.loads(error.read_bytes())) if error and error.exists() else ""
    detail = re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", story, re.MULTILINE)
    lines = [line.strip() for line in story.splitlines() if line.strip()]
    told = detail[1] if detail else (lines[0] if lines else "Ray says nothing")
    return Failure(f"its process was lost, as when memory runs out or a node dies ({told})")


def make_tuner(
    plan: Plan,
    function: Callable[..., None],
    data: TrialData,
    mailbox: Any,
    at_once: Callable[[], int],
    searcher: Searcher,
    budget: Budget,
    events: TrialEvents,
) -> Tuner:
    """Return the tuner of a sweep, for the trials that its searcher doesn't know the end of.

    Parameters
    ----------
    plan : Plan
        The sweep.
    function : callable
        The trainable, taking ``plan``, ``data`` and ``mailbox``.
    data : TrialData
        Put into the object store once.
    mailbox : ActorHandle or None
        Of the groups that train, if trials are sharded.
    at_once : callable
        Returns how many trials may run at the same time, now.
    searcher : Searcher
        Suggests; it remembers the search.
    budget : Budget
        Minutes left.
    events : TrialEvents
        Who is told.
    """
    space = plan.space
    # What Tune keeps for itself isn't read again.
    shutil.rmtree(Path(plan.folder) / "ray" / STORED, ignore_errors=True)
    return Tuner(
        _with_resources(
            tune.with_parameters(
                functools.partial(function, plan=plan), data=data, mailbox=mailbox
            ),
            space,
        ),
        tune_config=TuneConfig(
            search_alg=FollowingLimiter(searcher, at_once),
            scheduler=searcher.scheduler,
            num_samples=space.tune.trials - searcher.ended if space.tune.trials else -1,
            reuse_actors=True,
            trial_dirname_creator=_short_name,
        ),
        run_config=RunConfig(
            name=STORED,
            storage_path=str(Path(plan.folder) / "ray"),
            stop=budget,
            callbacks=[events],
            # A trial that raises ends and is noted; what Tune sees fail is a lost process.
            failure_config=FailureConfig(max_failures=RESTARTS),
            verbose=0,
        ),
    )


def _with_resources(function: Any, space: SearchSpace) -> Any:
    asked = space.resources
    if asked.workers > 1:
        # It waits for a group, and needs no CPU for that: with one it would wait for ever.
        return tune.with_resources(function, {"memory": DRIVER_BYTES})
    wanted = {"CPU": asked.cpus_per_worker, "GPU": asked.gpus_per_worker}
    labels = {"bundle_label_selector": [asked.node_labels]} if asked.node_labels else {}
    return tune.with_resources(function, tune.PlacementGroupFactory([wanted], **labels))


def make_scheduler(space: SearchSpace) -> TrialScheduler | None:
    """Make the scheduler that a space asks for; None stops no trial early."""
    if space.tune.scheduler == "none":
        return None
    first = space.tune.objectives[0]
    training = space.run.training
    return ASHAScheduler(
        time_attr="epoch",
        metric=first,
        mode="max" if parse(first).higher_is_better else "min",
        # One more than a trial trains: ASHA must not stop a trial that is about to finish.
        max_t=training.epochs + 1,
        grace_period=max(1, min(training.warmup + training.epochs // 3, training.epochs)),
        reduction_factor=2,
    )


def _short_name(trial: Any) -> str:
    return str(trial.trial_id)
