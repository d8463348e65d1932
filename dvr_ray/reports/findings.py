"""All that a page says beyond what is stored: computed once, for the page and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dvr_ray.reports.auc import Separation, separations
from dvr_ray.reports.results import RunResults, SweepResults
from dvr_ray.reports.sides import Side, side
from dvr_ray.reports.summary import Summary, summarise
from dvr_ray.reports.tables import FinalRow, final_rows
from dvr_ray.reports.trials import Trial
from dvr_ray.reports.values import Spread, spreads
from dvr_ray.tuning.importance import importances

__all__ = ["RunFindings", "SweepFindings", "auc_over_seeds", "find_run", "find_sweep", "measured"]


@dataclass(frozen=True)
class RunFindings:
    """One run.

    Parameters
    ----------
    run : RunResults
        What is stored.
    separations : tuple of Separation
        The value first; empty where nothing was planted.
    spreads : tuple of Spread
        Of values and probabilities; empty where nothing was valued.
    sides : tuple of Side
        Users and items; empty where nothing was valued.
    monitors : dict
        The last report of each that is a number or a list of numbers.
    gate : tuple of int
        In how many reports keep-all was adopted, and how many compared.
    """

    run: RunResults
    separations: tuple[Separation, ...]
    spreads: tuple[Spread, ...]
    sides: tuple[Side, ...]
    monitors: dict[str, Any]
    gate: tuple[int, int]


@dataclass(frozen=True)
class SweepFindings:
    """One sweep.

    Parameters
    ----------
    sweep : SweepResults
        What is stored.
    final : tuple of FinalRow
        The test table; empty where no winner was retrained.
    importances : dict of str to float
        Shares by field, most important first; empty with too few trials.
    front : tuple of Trial
        Those that no other one beats in every objective, best first by the first one; empty for
        one objective.
    shown : RunFindings or None
        The run whose values are shown.
    auc : Summary or None
        AUC of the values over the retrained seeds.
    """

    sweep: SweepResults
    final: tuple[FinalRow, ...]
    importances: dict[str, float]
    front: tuple[Trial, ...]
    shown: RunFindings | None
    auc: Summary | None


def find_run(run: RunResults) -> RunFindings:
    """Measure what a run's page shows."""
    values = run.values
    monitors: dict[str, Any] = {}
    for report in run.reports:
        monitors |= report.numbers
    compared = [report.adopted for report in run.reports if report.adopted]
    sides = [side(values, kind) for kind in ("user", "item")] if values is not None else []
    return RunFindings(
        run=run,
        separations=tuple(measured(run)),
        spreads=tuple(spreads(values)) if values is not None else (),
        sides=tuple(found for found in sides if found is not None),
        monitors=monitors,
        gate=(compared.count("keep-all"), len(compared)),
    )


def find_sweep(sweep: SweepResults) -> SweepFindings:
    """Measure what a sweep's page shows."""
    return SweepFindings(
        sweep=sweep,
        final=tuple(final_rows(sweep)),
        importances=_importances(sweep) if sweep.objectives else {},
        front=tuple(_front(sweep)) if len(sweep.objectives) > 1 else (),
        shown=find_run(sweep.shown_run) if sweep.shown_run else None,
        auc=auc_over_seeds(sweep),
    )


def measured(run: RunResults | None) -> list[Separation]:
    """Measure the ROC of every score of a run; none where nothing was planted."""
    if run is None or run.values is None or not run.planted:
        return []
    return separations(run.values)


def auc_over_seeds(sweep: SweepResults) -> Summary | None:
    """AUC of the values over the retrained runs."""
    runs: Sequence[RunResults] = sweep.final_runs.get(sweep.final.method, ()) if sweep.final else ()
    return summarise(
        [run.result.auc["value"] for run in runs if run.result and "value" in run.result.auc]
    )


def _importances(sweep: SweepResults) -> dict[str, float]:
    """What each searched field mattered for the first objective."""
    objective = sweep.objectives[0]
    pairs = [
        (trial.values, trial.objectives[objective])
        for trial in sweep.comparable
        if objective in trial.objectives
    ]
    return importances(sweep.space, pairs, maximise=sweep.maximised(objective))


def _front(sweep: SweepResults) -> list[Trial]:
    """Trials that no other one beats, best first by the first objective."""
    signs = {name: 1 if sweep.maximised(name) else -1 for name in sweep.objectives}
    trials = [t for t in sweep.comparable if all(name in t.objectives for name in signs)]
    points = {t.number: tuple(s * t.objectives[n] for n, s in signs.items()) for t in trials}
    front = [
        trial
        for trial in trials
        if not any(_beats(other, points[trial.number]) for other in points.values())
    ]
    return sorted(front, key=lambda trial: points[trial.number], reverse=True)


def _beats(point: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether a point is nowhere worse and somewhere better."""
    return point != other and all(a >= b for a, b in zip(point, other, strict=True))
