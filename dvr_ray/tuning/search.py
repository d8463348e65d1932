"""Ray Tune's part of a sweep: scheduler, budget, and news of its trials."""

from __future__ import annotations

import functools
import pickle
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.result import DONE
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import TrialData
from dvr_ray.metrics import parse
from dvr_ray.training.stored import Failure
from dvr_ray.tuning.room import FollowingLimiter
from dvr_ray.tuning.searcher import Searcher
from dvr_ray.tuning.trial import FAILURE, NODE, Plan

__all__ = ["Budget", "Loss", "TrialEvents", "make_scheduler", "make_tuner"]

DRIVER_BYTES = 1 << 20
RESTARTS = 2
STORED = ".tune"


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


@dataclass(frozen=True)
class Loss:
    """A trial lost its process.

    Parameters
    ----------
    failure : Failure
        Why.
    node : str
        Id of the node that it leaves, or was perhaps lost with; "" where the process alone ended.
    given_up : bool
        Whether it was lost once too often.
    dropped : bool
        Whether Tune forgets it, though it wasn't lost too often: it can't handle the end of an idle
        process that a trial was about to take over.
    told : bool
        Whether the same end was told before.
    """

    failure: Failure
    node: str = ""
    given_up: bool = False
    dropped: bool = False
    told: bool = False


class TrialEvents(Callback):  # type: ignore[misc]
    """Passes the life of trials on to whoever shows it.

    Parameters
    ----------
    number : callable
        Numbers a trial by its suggested values.
    on_event : callable
        Takes trial number, status and latest metrics.
    on_loss : callable
        Takes the values of a trial that lost its process, and the loss; it tells the trial's end if
        it gives it up.
    leaving : callable
        Returns the ids of nodes that were given notice; asked at every step.

    Notes
    -----
    A trial on a node that was given notice goes on elsewhere after its next report, which its
    checkpoint goes with. That, and SIGTERM, is no failure of the trial's.
    """

    def __init__(
        self,
        number: Callable[[dict[str, Any]], int],
        on_event: Callable[[int, str, dict[str, Any]], None],
        on_loss: Callable[[dict[str, Any], Loss], None],
        leaving: Callable[[], set[str]],
    ) -> None:
        self._number, self._on_event, self._on_loss = number, on_event, on_loss
        self._look, self._leaving = leaving, set[str]()
        # Trials are lost without their actor; an actor's node is known when a trial has reported.
        self._actors: dict[str, str] = {}
        self._nodes: dict[str, str] = {}
        self._waiting = set[str]()  # for another process, after the loss of one

    def _tell(self, trial: Any, status: str, metrics: dict[str, Any]) -> None:
        self._on_event(self._number(trial.config), status, metrics)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune takes a step."""
        self._leaving = self._look()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial begins."""
        self._waiting.discard(trial.trial_id)
        self._actors[trial.trial_id] = str(trial.temporary_state.ray_actor)
        self._tell(trial, "running", {})

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports."""
        self._tell(trial, "running", result)
        self._nodes[self._actors[trial.trial_id]] = node = result.get(NODE, "")
        if node in self._leaving and not result.get(DONE):
            trial.max_failures += 1
            ray.kill(trial.temporary_state.ray_actor)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial ends."""
        last = trial.last_result or {}
        self._tell(trial, "failed" if FAILURE in last else "done", last)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial lost its process and gets another one."""
        loss = self._lost(trial)
        self._waiting.add(trial.trial_id)
        trial.max_failures += "SIGTERM" in loss.failure.cause
        self._on_loss(trial.config, loss)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial lost its process once too often, or before it had begun."""
        if trial.should_recover():
            told = trial.trial_id in self._waiting
            self._on_loss(trial.config, replace(self._lost(trial), dropped=True, told=told))
        else:
            self._on_loss(trial.config, replace(self._lost(trial), given_up=True))

    def _lost(self, trial: Any) -> Loss:
        failure, alone = _lost(trial)
        node = self._nodes.get(self._actors.get(trial.trial_id, ""), "")
        return Loss(failure, "" if alone and node not in self._leaving else node)

    def __getstate__(self) -> dict[str, Any]:
        """Terminal and listeners stay in this process."""
        none = dict.fromkeys(("_number", "_on_event", "_on_loss", "_look"), _nobody)
        return none | {"_leaving": set(), "_actors": {}, "_nodes": {}, "_waiting": set()}


def _nobody(*news: Any) -> int:
    """Take no notice."""
    return 0


def _lost(trial: Any) -> tuple[Failure, bool]:
    """Why a trial has no process any more, from Ray's long story, and whether its node told it."""
    error = getattr(trial, "pickled_error_file", None) and Path(trial.pickled_error_file)
    story = str(pickle.loads(error.read_bytes())) if error and error.exists() else ""
    detail = re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", story, re.MULTILINE)
    lines = [line.strip() for line in story.splitlines() if line.strip()]
    told = detail[1] if detail else (lines[0] if lines else "Ray says nothing")
    cause = f"its process was lost, as when memory runs out or a node dies ({told})"
    return Failure(cause), detail is not None


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
    shutil.rmtree(plan.here / "ray" / STORED, ignore_errors=True)
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
            storage_path=str(plan.here / "ray"),
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
