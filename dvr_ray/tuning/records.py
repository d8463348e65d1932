"""What a sweep leaves behind: ``trials.csv``, ``best.yaml``, ``manifest.json``, the study's mirror.

Everything is rebuilt from the trials' own folders and from what Tune knows of their ends; Ray's
files aren't needed to read a sweep.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages.journal import JournalFileBackend, JournalStorage

from dvr_ray.config.space import SearchSpace
from dvr_ray.files import patient, placed
from dvr_ray.metrics import parse
from dvr_ray.training.stored import finished, read_rows

__all__ = ["TrialRecord", "mirror_study", "pareto", "write_trials"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the sweep's table shows it.

    Parameters
    ----------
    number : int
        Order in which trials were made; 0 is the plain run.
    folder : str
        Hash of the resolved config.
    status : {"finished", "stopped", "failed"}
        Stopped: by the scheduler or the end of the budget.
    values : dict
        Suggested fields by dotted path.
    objectives : dict
        Best epoch's metrics on validation-selection; empty without any report.
    best_epoch, epochs : int
        Of these metrics, and trained in all.
    seconds : float
        Training time.
    error : str
        Cause of a failure in one line.
    beside : dict
        Of a finished trial: what else was measured on validation-selection at the best epoch.
    """

    number: int
    folder: str
    status: str
    values: dict[str, Any]
    objectives: dict[str, float]
    best_epoch: int
    epochs: int
    seconds: float
    error: str
    beside: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        number: int,
        folder: Path,
        values: dict[str, Any],
        objectives: tuple[str, ...],
        error: str = "",
    ) -> TrialRecord:
        """Read a trial from its folder; without a ``result.json`` it was stopped or failed."""
        result = finished(folder)
        rows = read_rows(folder)
        first = objectives[0]
        sign = 1 if parse(first).higher_is_better else -1
        best = max(rows, key=lambda row: sign * row["selection"][first], default=None)
        if result is not None:
            found, epoch, status = result["selection"], result["best_epoch"], "finished"
        elif best is not None:
            found, epoch, status = best["selection"], best["epoch"], "stopped"
        else:
            found, epoch, status = {}, 0, "stopped"
        return cls(
            number=number,
            folder=folder.name,
            status="failed" if error and result is None else status,
            values=values,
            objectives={name: found[name] for name in objectives if name in found},
            best_epoch=epoch,
            epochs=rows[-1]["epoch"] if rows else 0,
            seconds=rows[-1]["seconds"] if rows else 0.0,
            error="" if result is not None else error,
            beside={}
            if result is None
            else {name: value for name, value in found.items() if name not in objectives},
        )


@patient
def write_trials(records: Sequence[TrialRecord], space: SearchSpace, path: Path) -> None:
    """Write ``trials.csv``, one line per trial.

    Columns of `dvr_ray.config.space.SearchSpace.beside` are there where a trial has a value.
    """
    objectives = space.tune.objectives
    beside = [name for name in space.beside if any(name in r.beside for r in records)]
    lines = [
        {
            "trial": r.number,
            "folder": r.folder,
            "status": r.status,
            "epochs": r.epochs,
            "seconds": round(r.seconds, 2),
            **{name: r.objectives.get(name) for name in objectives},
            **{name: r.beside.get(name) for name in beside},
            "best_epoch": r.best_epoch,
            "error": r.error,
            **{f"config.{name}": r.values.get(name) for name in space.search},
        }
        for r in records
    ]
    columns = ["trial", "folder", "status", "epochs", "seconds", *objectives, *beside]
    columns += ["best_epoch", "error"]
    columns += [f"config.{name}" for name in space.search]
    with placed(path) as temporary:
        pd.DataFrame(lines, columns=columns).to_csv(temporary, index=False)


def pareto(records: Sequence[TrialRecord], objectives: tuple[str, ...]) -> list[TrialRecord]:
    """Return the finished trials that no other finished one beats in every objective, best first.

    Stopped trials are left out: their metrics come from less training. Only where nothing finished
    are they considered.
    """
    signs = [1 if parse(name).higher_is_better else -1 for name in objectives]
    for status in ("finished", "stopped"):
        able = [r for r in records if r.status == status and len(r.objectives) == len(objectives)]
        points = [
            tuple(s * r.objectives[n] for s, n in zip(signs, objectives, strict=True)) for r in able
        ]
        front = [
            (point, -r.number, r)
            for point, r in zip(points, able, strict=True)
            if not any(_dominates(other, point) for other in points)
        ]
        if front:
            return [r for _, _, r in sorted(front, key=lambda f: f[:2], reverse=True)]
    return []


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True)) and a != b


@patient
def mirror_study(records: Sequence[TrialRecord], space: SearchSpace, path: Path) -> None:
    """Write the trials as an Optuna journal for ``optuna-dashboard``; it is never read back."""
    from dvr_ray.tuning.suggest import suggest

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions = [up if parse(n).higher_is_better else down for n in space.tune.objectives]
    with placed(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(temporary))),
            study_name=space.name,
            directions=directions,
        )
        states = optuna.trial.TrialState
        for record in records:
            complete = len(record.objectives) == len(directions) and record.status != "failed"
            fixed = optuna.trial.FixedTrial(record.values)
            suggest(fixed, space)
            study.add_trial(
                optuna.trial.create_trial(
                    state=states.COMPLETE if complete else states.FAIL,
                    values=[record.objectives[n] for n in space.tune.objectives]
                    if complete
                    else None,
                    params=record.values,
                    distributions=fixed.distributions,
                    user_attrs={"folder": record.folder, "status": record.status},
                )
            )
