"""A sweep or a run as its folder tells it; nothing is trained, nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd

from dvr_ray.config.document import read_document
from dvr_ray.config.load import load_space
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import CheckpointError, ConfigError
from dvr_ray.reports.stored import (
    Final,
    Manifest,
    Report,
    Result,
    read_model,
    read_reports,
    read_text,
)
from dvr_ray.reports.trials import Trial, read_trials
from dvr_ray.reports.values import read_values

__all__ = ["RunResults", "SweepResults", "load", "load_run", "load_sweep"]

CURVES = 60


@dataclass(frozen=True)
class RunResults:
    """One run.

    Parameters
    ----------
    folder : Path
        Where it lies.
    config : dict
        The resolved config as plain values.
    reports : tuple of Report
        Lines of ``metrics.jsonl``.
    result : Result or None
        None while the run isn't finished.
    values : DataFrame or None
        Value of every training row with what else is known about it; None where nothing was valued.
    """

    folder: Path
    config: dict[str, Any]
    reports: tuple[Report, ...]
    result: Result | None
    values: pd.DataFrame | None

    @property
    def planted(self) -> bool:
        """Whether it is known which rows were planted."""
        return self.values is not None and "planted" in self.values and self.values["planted"].any()


@dataclass(frozen=True)
class SweepResults:
    """One sweep.

    Parameters
    ----------
    folder : Path
        Where it lies.
    manifest : Manifest
        What it was made of and what it spent.
    space : SearchSpace
        What was searched.
    trials : tuple of Trial
        In the order in which they were made.
    curves : dict of int to tuple of Report
        Reports of the best trials, by trial number; at most 60 and the winner.
    winner : Trial or None
        The trial that was retrained, else the best; None where nothing gave a result.
    winner_run : RunResults or None
        The winner's run; None where its folder is gone. Carries its values only where it is shown.
    final : Final or None
        None where no winner was retrained.
    final_runs : dict of str to tuple of RunResults
        Retrained runs by method, one per seed; only the first of each carries its values.
    best_yaml : str
        The winner's config; empty where it is missing.
    """

    folder: Path
    manifest: Manifest
    space: SearchSpace
    trials: tuple[Trial, ...]
    curves: dict[int, tuple[Report, ...]]
    winner: Trial | None
    winner_run: RunResults | None
    final: Final | None
    final_runs: dict[str, tuple[RunResults, ...]]
    best_yaml: str

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives, the first decides where one must."""
        return self.manifest.objectives

    @property
    def shown_run(self) -> RunResults | None:
        """The run whose values and monitors are shown: the winner retrained, else its trial."""
        runs = self.final_runs.get(self.final.method, ()) if self.final else ()
        return next((run for run in runs if run.reports), self.winner_run)

    def counts(self) -> dict[str, int]:
        """Number of trials by status."""
        return {
            status: sum(trial.status == status for trial in self.trials)
            for status in ("finished", "stopped", "failed")
        }

    @property
    def comparable(self) -> list[Trial]:
        """Finished trials; only where nothing finished the stopped ones, which trained less."""
        able = [trial for trial in self.trials if trial.objectives]
        finished = [trial for trial in able if trial.status == "finished"]
        return finished or [trial for trial in able if trial.status == "stopped"]

    def ranked(self, objective: str) -> list[Trial]:
        """Trials that have an objective, best first: finished ones, then stopped, then failed."""
        sign = -1 if self.maximised(objective) else 1
        order = {"finished": 0, "stopped": 1, "failed": 2}
        able = [trial for trial in self.trials if objective in trial.objectives]
        return sorted(able, key=lambda t: (order[t.status], sign * t.objectives[objective]))

    def best_so_far(self, objective: str) -> tuple[list[int], list[float]]:
        """Numbers of the comparable trials, and the best objective up to each."""
        better = max if self.maximised(objective) else min
        trials = [trial for trial in self.comparable if objective in trial.objectives]
        scores = [trial.objectives[objective] for trial in trials]
        return [trial.number for trial in trials], list(accumulate(scores, better))

    def maximised(self, objective: str) -> bool:
        """Whether more of an objective is better."""
        return _maximised(self.manifest, objective)


def load(path: Path) -> SweepResults | RunResults:
    """Read whatever kind of result folder this is.

    Raises
    ------
    CheckpointError
        If it is neither kind, or a file is damaged.
    """
    return load_sweep(path) if (path / "trials.csv").exists() else load_run(path)


def load_sweep(path: Path) -> SweepResults:
    """Return what the folder of a sweep holds.

    Parameters
    ----------
    path : Path
        Holds ``trials.csv``, ``manifest.json`` and ``space.yaml``. Folders of trials may be
        missing; then their curves are.

    Raises
    ------
    CheckpointError
        If one of these files is missing, or any file is damaged.
    """
    if not (path / "trials.csv").exists():
        raise _neither(path)
    manifest = read_model(path / "manifest.json", Manifest)
    space = _space(path / "space.yaml")
    trials = read_trials(path / "trials.csv", manifest.objectives, space)
    final_path = path / "final.json"
    final = read_model(final_path, Final) if final_path.exists() else None
    bare = SweepResults(path, manifest, space, trials, {}, None, None, final, {}, "")
    best = bare.ranked(manifest.objectives[0]) if manifest.objectives else []
    winner = _winner(trials, best, final)
    best_yaml = path / "best.yaml"
    final_runs = _final_runs(path, final)
    # One table of values is held at a time: that of the run that is shown.
    retrained = final is not None and any(run.reports for run in final_runs.get(final.method, ()))
    shown = [*best[:CURVES], *([winner] if winner else [])]
    return SweepResults(
        folder=path,
        manifest=manifest,
        space=space,
        trials=trials,
        curves={t.number: read_reports(_folder(path, t) / "metrics.jsonl") for t in shown},
        winner=winner,
        winner_run=_run_if_there(_folder(path, winner), not retrained) if winner else None,
        final=final,
        final_runs=final_runs,
        best_yaml=read_text(best_yaml) if best_yaml.exists() else "",
    )


def load_run(path: Path) -> RunResults:
    """Read the folder of one run, finished or not.

    Raises
    ------
    CheckpointError
        If it holds neither ``result.json`` nor ``metrics.jsonl``, or a file is damaged.
    """
    if not any((path / name).exists() for name in ("result.json", "metrics.jsonl")):
        raise _neither(path)
    return _run(path, with_values=True)


def _run(path: Path, with_values: bool) -> RunResults:
    result, config, values = (path / n for n in ("result.json", "config.yaml", "values.parquet"))
    return RunResults(
        folder=path,
        config=_config(config) if config.exists() else {},
        reports=read_reports(path / "metrics.jsonl"),
        result=read_model(result, Result) if result.exists() else None,
        values=read_values(values) if with_values and values.exists() else None,
    )


def _run_if_there(path: Path, with_values: bool) -> RunResults | None:
    return _run(path, with_values) if path.is_dir() else None


def _final_runs(path: Path, final: Final | None) -> dict[str, tuple[RunResults, ...]]:
    if final is None:
        return {}
    found = {}
    for method in final.test:
        folders = sorted((path / "final" / final.winner / method).glob("seed-*"))
        found[method] = tuple(_run(f, with_values=n == 0) for n, f in enumerate(folders))
    return found


def _folder(path: Path, trial: Trial) -> Path:
    return path / "trials" / trial.folder


def _winner(trials: Iterable[Trial], best: list[Trial], final: Final | None) -> Trial | None:
    chosen = next((t for t in trials if final and t.folder == final.winner), None)
    return chosen or next((t for t in best if t.status != "failed"), None)


def _maximised(manifest: Manifest, objective: str) -> bool:
    if objective in manifest.directions:
        return manifest.directions[objective] == "maximize"
    if ":" in objective:
        # Reading results imports nothing by a name that a file gives.
        return True
    from dvr_ray.metrics import parse

    return parse(objective, "manifest.json: objectives").higher_is_better


def _neither(path: Path) -> CheckpointError:
    if not path.exists():
        return CheckpointError(str(path), "no such folder", "check the path")
    if (path / "manifest.json").exists():
        return CheckpointError(
            str(path),
            "a sweep that is still searching: trials.csv is missing",
            "wait for its end, or go on with `dvr-ray tune --resume`",
        )
    return CheckpointError(
        str(path),
        "not a result folder: holds neither trials.csv nor result.json",
        "give the folder that `dvr-ray tune` or `dvr-ray train` wrote",
    )


def _space(path: Path) -> SearchSpace:
    try:
        return load_space(path)
    except ConfigError as error:
        raise CheckpointError(error.place, error.rule, error.mend) from error


def _config(path: Path) -> dict[str, Any]:
    try:
        return read_document(path).content
    except ConfigError as error:
        raise CheckpointError(error.place, error.rule, error.mend) from error
