"""The searcher of a sweep, which remembers itself in one file.

Tune's own snapshot is several files that are written in place one after the other, so a kill may
leave them torn or telling different stories. Here everything that a search knows (the study with
its sampler's random state, what was asked, what has ended, the scheduler) is one pickle, put in
place in one step whenever something changed. A resumed search is a new one for Tune: it first asks
again what hadn't ended, then goes on asking where the killed one would have.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from ray.tune.schedulers import TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import CheckpointError
from dvr_ray.files import patient, placed
from dvr_ray.metrics import parse
from dvr_ray.tuning.suggest import first_point, make_sampler, suggest
from dvr_ray.tuning.trial import FAILURE

__all__ = ["Asked", "Searcher"]


@dataclass(eq=False)
class Asked:
    """One suggestion.

    Parameters
    ----------
    trial : optuna.Trial
        As the study knows it.
    values : dict
        Suggested fields by dotted path.
    ended : bool
        Whether the trial has ended, by itself, by the scheduler or in failure.
    cause : str
        Of a failure that the trial itself reported.
    """

    trial: optuna.Trial
    values: dict[str, Any]
    ended: bool = False
    cause: str = ""


class Searcher(OptunaSearch):  # type: ignore[misc]
    """Optuna under Tune, with a memory that survives a kill at any moment.

    Parameters
    ----------
    space : SearchSpace
        The sweep.
    path : Path
        Where the memory is kept; it is read from there if it exists.
    scheduler : TrialScheduler or None
        Remembered with the rest; `scheduler` is the one to use.
    expired : callable
        Whether the budget is spent: trials that end then are remembered as open.

    Raises
    ------
    CheckpointError
        If the memory can't be read.

    Attributes
    ----------
    asked : list of Asked
        All suggestions in the order of asking.
    """

    def __init__(
        self,
        space: SearchSpace,
        path: Path,
        scheduler: TrialScheduler | None,
        expired: Callable[[], bool],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        objectives = list(space.tune.objectives)
        modes = ["max" if parse(name).higher_is_better else "min" for name in objectives]
        several = len(objectives) > 1
        super().__init__(
            space=functools.partial(suggest, space=space),
            metric=objectives if several else objectives[0],
            mode=modes if several else modes[0],
            points_to_evaluate=[first_point(space)],
            sampler=make_sampler(space.tune),
        )
        self._path, self._objectives = path, objectives
        self.scheduler, self._expired = scheduler, expired
        self.asked: list[Asked] = []
        self._by_id: dict[str, Asked] = {}
        if path.exists():
            self._recall()

    @property
    def ended(self) -> int:
        """Number of suggestions that have ended."""
        return sum(asked.ended for asked in self.asked)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Suggest what is open from before, or something new."""
        running = list(self._by_id.values())
        again = next((a for a in self.asked if not a.ended and a not in running), None)
        if again is not None:
            self._by_id[trial_id] = again
            return dict(again.values)
        values: dict[str, Any] = super().suggest(trial_id)
        self._by_id[trial_id] = Asked(self._ot_trials.pop(trial_id), values)
        self.asked.append(self._by_id[trial_id])
        self._remember()
        return dict(values)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Remember the scheduler's doings; no sampler of ours reads unfinished trials."""
        if self.scheduler is not None:
            self._remember()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study how a trial ended."""
        asked = self._by_id.get(trial_id)
        if asked is None or asked.ended or self._expired():
            return
        found = {} if error or result is None or FAILURE in result else result
        values = [found.get(name) for name in self._objectives]
        told = all(value is not None for value in values)
        self._tell(asked.trial, TrialState.COMPLETE if told else TrialState.FAIL, values)
        asked.ended, asked.cause = True, str((result or {}).get(FAILURE, ""))
        self._remember()

    def reopen(self, values: dict[str, Any]) -> None:
        """Have a suggestion that failed tried again."""
        again = [asked for asked in self.asked if asked.ended and asked.values == values]
        for asked in again:
            asked.ended = False
        self._by_id = {key: asked for key, asked in self._by_id.items() if asked not in again}
        self._remember()

    def _tell(self, trial: optuna.Trial, state: TrialState, values: list[Any]) -> None:
        study: optuna.Study = self._ot_study
        known: FrozenTrial = study.trials[trial.number]
        if not known.state.is_finished():
            study.tell(trial, values if state == TrialState.COMPLETE else None, state=state)
        elif state == TrialState.COMPLETE:
            # It failed before; a study never takes an end back, so the good end is another trial.
            study.add_trial(
                optuna.trial.create_trial(
                    values=values, params=known.params, distributions=known.distributions
                )
            )

    @patient
    def _remember(self) -> None:
        memory = {"study": self._ot_study, "asked": self.asked, "scheduler": self.scheduler}
        self._path.parent.mkdir(exist_ok=True)
        with placed(self._path) as temporary:
            temporary.write_bytes(pickle.dumps(memory))

    def _recall(self) -> None:
        try:
            memory = pickle.loads(self._path.read_bytes())
            self._ot_study, self.asked = memory["study"], memory["asked"]
            self.scheduler = memory["scheduler"]
        except Exception as error:  # a damaged pickle may raise anything
            raise CheckpointError(
                str(self._path),
                f"can't be read ({type(error).__name__}: {' '.join(str(error).split())[:80]})",
                "delete it: the search then starts anew, and keeps the trials that have finished",
            ) from error
