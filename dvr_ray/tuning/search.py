"""Ray Tune's part of a sweep: searcher, scheduler, budget, restored or new."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import TrialData
from dvr_ray.metrics import parse
from dvr_ray.tuning.suggest import first_point, make_sampler, suggest
from dvr_ray.tuning.trial import Plan

__all__ = ["Budget", "TrialEvents", "make_tuner"]

DRIVER_BYTES = 1 << 20
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
        self._started = time.time()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Trials aren't stopped one by one."""
        return False

    def stop_all(self) -> bool:
        """Whether the time is up."""
        return self._left is not None and time.time() - self._started > self._left


class TrialEvents(Callback):  # type: ignore[misc]
    """Passes the life of trials on to whoever shows it.

    Parameters
    ----------
    number : callable
        Numbers a trial by its suggested values.
    on_event : callable
        Takes trial number, status and latest metrics.
    """

    def __init__(
        self,
        number: Callable[[dict[str, Any]], int],
        on_event: Callable[[int, str, dict[str, Any]], None],
    ) -> None:
        self._number, self._on_event = number, on_event

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
        self._tell(trial, "done", trial.last_result or {})

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial fails."""
        self._tell(trial, "failed", {})

    def __getstate__(self) -> dict[str, Any]:
        """Terminal and listeners stay in this process."""
        return {"_number": _unnumbered, "_on_event": _nobody}


def _unnumbered(values: dict[str, Any]) -> int:
    return 0


def _nobody(number: int, status: str, metrics: dict[str, Any]) -> None:
    """Take no notice."""


def make_tuner(
    plan: Plan,
    function: Callable[..., None],
    data: TrialData,
    concurrent: int,
    budget: Budget,
    events: TrialEvents,
) -> Tuner:
    """Return the tuner of a sweep, from its snapshot where there is one.

    Parameters
    ----------
    plan : Plan
        The sweep.
    function : callable
        The trainable, taking ``plan`` and ``data``.
    data : TrialData
        Put into the object store once.
    concurrent : int
        Trials at the same time.
    budget : Budget
        Minutes left.
    events : TrialEvents
        Who is told.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = plan.space
    trainable = _with_resources(
        tune.with_parameters(functools.partial(function, plan=plan), data=data), space
    )
    stored = Path(plan.folder) / "ray" / STORED
    if stored.exists() and Tuner.can_restore(str(stored)):
        tuner = Tuner.restore(
            str(stored), trainable=trainable, resume_unfinished=True, resume_errored=False
        )
        inner = tuner._local_tuner
        # A restored tuner has the old budget, concurrency and listeners.
        inner._run_config.stop = budget
        inner._run_config.callbacks = [events]
        inner._tune_config.max_concurrent_trials = concurrent
        inner._tune_config.num_samples = space.tune.trials or -1
        return tuner
    return Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=_searcher(space),
            scheduler=_scheduler(space),
            num_samples=space.tune.trials or -1,
            max_concurrent_trials=concurrent,
            reuse_actors=space.resources.workers == 1,
            trial_dirname_creator=_short_name,
        ),
        run_config=RunConfig(
            name=STORED,
            storage_path=str(Path(plan.folder) / "ray"),
            stop=budget,
            callbacks=[events],
            failure_config=FailureConfig(max_failures=0),
            verbose=0,
        ),
    )


def _with_resources(function: Any, space: SearchSpace) -> Any:
    asked = space.resources
    if asked.workers > 1:
        # The driver of a group needs no CPU: with one it would wait for its own workers.
        return tune.with_resources(function, {"memory": DRIVER_BYTES})
    wanted = {"CPU": asked.cpus_per_worker}
    if asked.gpus_per_worker:
        wanted["GPU"] = asked.gpus_per_worker
    return tune.with_resources(function, wanted)


def _searcher(space: SearchSpace) -> OptunaSearch:
    objectives = list(space.tune.objectives)
    modes = ["max" if parse(name).higher_is_better else "min" for name in objectives]
    several = len(objectives) > 1
    return OptunaSearch(
        space=functools.partial(suggest, space=space),
        metric=objectives if several else objectives[0],
        mode=modes if several else modes[0],
        points_to_evaluate=[first_point(space)],
        sampler=make_sampler(space.tune),
    )


def _scheduler(space: SearchSpace) -> TrialScheduler | None:
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
