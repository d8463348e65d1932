"""What a sweep leaves behind: ``trials.csv``, ``best.yaml``, ``manifest.json``, the study's mirror.

Everything is rebuilt from the trials' own folders and from what Tune knows of their ends; Ray's
files aren't needed to read a sweep.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages.journal import JournalFileBackend, JournalStorage

from dvr_ray import __version__
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import CheckpointError
from dvr_ray.files import placed
from dvr_ray.metrics import parse
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.stored import finished, read_rows

NEEDED = {"space_hash", "data_fingerprint", "seeds", "looks_at_test", "test_looks"}

__all__ = ["Manifest", "TrialRecord", "mirror_study", "pareto", "write_trials"]


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
        )


def write_trials(records: Sequence[TrialRecord], space: SearchSpace, path: Path) -> None:
    """Write ``trials.csv``, one line per trial."""
    objectives = space.tune.objectives
    lines = [
        {
            "trial": r.number,
            "folder": r.folder,
            "status": r.status,
            "epochs": r.epochs,
            "seconds": round(r.seconds, 2),
            **{name: r.objectives.get(name) for name in objectives},
            "best_epoch": r.best_epoch,
            "error": r.error,
            **{f"config.{name}": r.values.get(name) for name in space.search},
        }
        for r in records
    ]
    columns = ["trial", "folder", "status", "epochs", "seconds", *objectives, "best_epoch", "error"]
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


class Manifest:
    """``manifest.json``: what the sweep was made of, what it spent, and every look at test.

    Parameters
    ----------
    folder : Path
        The sweep's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "manifest.json"
        self.content: dict[str, Any] = {}
        if self.path.exists():
            self.content = self._read()

    def _read(self) -> dict[str, Any]:
        mend = "restore it from a copy, or use another --out"
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            spent = float(found["budget"]["seconds_spent"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise CheckpointError(str(self.path), f"can't be read ({cause})", mend) from error
        if spent < 0 or not found.keys() >= NEEDED:
            missing = ", ".join(sorted(NEEDED - found.keys())) or "a budget that was spent"
            raise CheckpointError(str(self.path), f"must hold {missing}", mend)
        return dict(found)

    def check_data(self, fingerprint: str) -> None:
        """Refuse to go on with other data than the sweep was begun with.

        Raises
        ------
        CheckpointError
            If the fingerprints differ.
        """
        began = self.content["data_fingerprint"]
        if began != fingerprint:
            raise CheckpointError(
                str(self.path),
                f"the sweep was begun with other data ({began}, now {fingerprint})",
                "bring the files back, or use another --out",
            )

    @classmethod
    def begin(cls, folder: Path, space: SearchSpace, fingerprint: str) -> Manifest:
        """Open the manifest of a sweep, new or resumed."""
        manifest = cls(folder)
        if not manifest.content:
            packages = ("torch", "ray", "optuna", "numpy", "pandas")
            manifest.content = {
                "name": space.name,
                "created": _now(),
                "versions": {
                    "python": platform.python_version(),
                    "dvr_ray": __version__,
                    **{name: version(name) for name in packages},
                },
                "data_fingerprint": fingerprint,
                "space_hash": space_hash(space),
                "seeds": {"search": space.tune.seed, "final": []},
                "objectives": list(space.tune.objectives),
                "directions": {name: _direction(name) for name in space.tune.objectives},
                "budget": {
                    "trials": space.tune.trials,
                    "minutes": space.tune.minutes,
                    "seconds_spent": 0.0,
                },
                "looks_at_test": 0,
                "test_looks": [],
            }
            manifest.write()
        return manifest

    @property
    def seconds_spent(self) -> float:
        """Seconds of searching so far."""
        return float(self.content["budget"]["seconds_spent"])

    def number(self, folder: str) -> int:
        """Return the number of a trial by its folder; a new one gets the next, for good."""
        order: list[str] = self.content.setdefault("order", [])
        if folder not in order:
            order.append(folder)
            self.write()
        return order.index(folder)

    def spend(self, seconds: float) -> None:
        """Add searching time."""
        self.content["budget"]["seconds_spent"] = round(self.seconds_spent + seconds, 2)
        self.write()

    def look_at_test(self, what: str) -> None:
        """Write down a look at the test part, before it is taken."""
        self.content["looks_at_test"] += 1
        self.content["test_looks"].append({"when": _now(), "what": what})
        self.write()

    def write(self) -> None:
        """Write the file."""
        write_json(self.path, self.content)


def space_hash(space: SearchSpace) -> str:
    """Twelve hex digits over what decides a sweep's trials; budgets may change on resuming."""
    content = space.model_dump(mode="json")
    for name in ("trials", "minutes", "concurrent", "final_seeds"):
        del content["tune"][name]
    del content["resources"], content["tracking"]
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _direction(objective: str) -> str:
    return "maximize" if parse(objective).higher_is_better else "minimize"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
