"""Rows of the tables that the terminal and the page show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dvr_ray.reports.results import SweepResults
from dvr_ray.reports.summary import Summary, summarise
from dvr_ray.reports.trials import Trial

__all__ = ["CONTROL", "FEWER", "PUSHED", "FinalRow", "final_rows", "top_trials"]

CONTROL = "keep-all"
PUSHED = "pushed@"
FEWER = " pushed@20 counts the items of the planted attack in a top list of 20; fewer is better."


@dataclass(frozen=True)
class FinalRow:
    """One test metric of the final table.

    Parameters
    ----------
    metric : str
        Its name.
    methods : dict of str to Summary
        By method: the winner's and ``keep-all``, where that control was trained.
    difference : Summary or None
        Winner minus keep-all, seed by seed; None without the control.
    """

    metric: str
    methods: dict[str, Summary]
    difference: Summary | None


def top_trials(sweep: SweepResults, limit: int = 10) -> list[Trial]:
    """Return the best trials by the first objective: finished ones first, then stopped ones.

    Parameters
    ----------
    sweep : SweepResults
        A sweep.
    limit : int
        At most so many.
    """
    objectives = sweep.objectives
    return sweep.ranked(objectives[0])[:limit] if objectives else []


def final_rows(sweep: SweepResults) -> list[FinalRow]:
    """Return the final test table; empty where no winner was retrained."""
    final = sweep.final
    if final is None:
        return []
    metrics = dict.fromkeys(name for found in final.test.values() for name in found)
    return [_final_row(metric, final.method, final.test) for metric in metrics]


def _final_row(metric: str, method: str, test: dict[str, dict[str, tuple[float, ...]]]) -> FinalRow:
    values = {name: found[metric] for name, found in test.items() if metric in found}
    summaries = {name: summarise(seeds) for name, seeds in values.items()}
    winner, control = values.get(method, ()), values.get(CONTROL, ())
    paired = len(winner) == len(control) and method != CONTROL
    return FinalRow(
        metric=metric,
        methods={name: summary for name, summary in summaries.items() if summary},
        difference=summarise(np.subtract(winner, control).tolist()) if paired else None,
    )
