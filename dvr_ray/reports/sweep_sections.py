"""The sections of a sweep's page that its run's page doesn't have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dvr_ray.reports import search_figures
from dvr_ray.reports.findings import SweepFindings
from dvr_ray.reports.parallel import LINES, parallel
from dvr_ray.reports.parts import Panel, Section, Table
from dvr_ray.reports.results import CURVES, SweepResults
from dvr_ray.reports.summary import DIGITS, short, signed, written
from dvr_ray.reports.tables import FEWER, PUSHED, top_trials
from dvr_ray.reports.trials import Trial

__all__ = ["best_trials", "failures", "final_results", "search_sections"]

SHOWN_TRIALS = 15
STEADY = 50
AXIS_WIDTH = 104


def final_results(found: SweepFindings) -> list[Section]:
    """The final test table; no section where no winner was retrained."""
    rows = found.final
    if not rows:
        return []
    methods = list(dict.fromkeys(name for row in rows for name in row.methods))
    pushed = any(row.metric.startswith(PUSHED) for row in rows)
    cells = tuple(
        (row.metric, *(str(row.methods.get(m, "")) for m in methods), signed(row.difference))
        for row in rows
    )
    return [
        Section(
            "Test results",
            "Mean ± sd over fresh seeds, on the test part that the search never saw: the winner, "
            "and keep-all, the same settings trained on every row without a valuator. These were "
            "tuned for the winner, so keep-all is no tuned baseline. Good: a difference (winner "
            "minus keep-all, seed by seed) that is several times its sd."
            + (FEWER if pushed else ""),
            table=Table(("metric", *methods, "difference"), cells),
        )
    ]


def best_trials(sweep: SweepResults) -> list[Section]:
    """The best trials with their settings."""
    top = top_trials(sweep, SHOWN_TRIALS)
    if not top:
        return []
    return [
        Section(
            "Best trials",
            "Finished trials first, ordered by the first objective at their best epoch, measured "
            "on the selection part; stopped ones were trained less, so don't compare them with "
            "finished ones.",
            table=_trial_table(sweep, top),
        )
    ]


def search_sections(found: SweepFindings) -> list[Section]:
    """History, trade-off, parallel coordinates, importance and learning curves."""
    sweep = found.sweep
    return [
        *_history(sweep),
        *_pareto(found),
        *_parallel(sweep),
        *_importance(found),
        *_curves(sweep),
    ]


def failures(sweep: SweepResults) -> list[Section]:
    """Why trials failed."""
    failed = [trial for trial in sweep.trials if trial.status == "failed"]
    if not failed:
        return []
    rows = tuple((str(t.number), t.error or "unknown") for t in failed[:SHOWN_TRIALS])
    return [
        Section(
            "Failed trials",
            f"{len(failed)} of {len(sweep.trials)} trials failed; their causes in one line each.",
            table=Table(("trial", "cause"), rows, left=2),
        )
    ]


def _trial_table(sweep: SweepResults, trials: Sequence[Trial]) -> Table:
    fields = list(sweep.space.search)
    beside = [name for name in sweep.space.beside if any(name in t.beside for t in trials)]
    return Table(
        ("trial", "status", *sweep.objectives, *beside, "best epoch", "epochs", "seconds", *fields),
        tuple(
            (
                str(t.number),
                t.status,
                *(_score(t.objectives, name) for name in sweep.objectives),
                *(_score(t.beside, name) for name in beside),
                "" if t.best_epoch is None else str(t.best_epoch),
                str(t.epochs),
                f"{t.seconds:.1f}",
                *(written(t.values.get(name)) for name in fields),
            )
            for t in trials
        ),
        left=2,
    )


def _history(sweep: SweepResults) -> list[Section]:
    if not sweep.trials:
        return []
    move = "lie above" if all(map(sweep.maximised, sweep.objectives)) else "leave"
    return [
        Section(
            "History of the search",
            "One mark per trial in the order of the search; the line is the best finished trial "
            f"so far (of stopped ones where none finished). Good: it comes to {move} the dotted "
            "line, the plain run of trial 0, and is level at its end; a late step says that more "
            "trials may still pay. Crosses at the foot failed.",
            _panels(sweep, search_figures.history),
        )
    ]


def _pareto(found: SweepFindings) -> list[Section]:
    sweep = found.sweep
    figures = search_figures.pareto_fronts(sweep, found.front)
    if not figures:
        return []
    return [
        Section(
            "Trade-off between objectives",
            "Trials by their objectives. A blue trial is on the front: no other one is as good in "
            "all objectives and better in one, so choose among these, which the table lists. A "
            "front of one trial means that the objectives agree.",
            tuple(Panel(figure) for figure in figures),
            _trial_table(sweep, found.front) if found.front else None,
        )
    ]


def _parallel(sweep: SweepResults) -> list[Section]:
    figure = parallel(sweep)
    if figure is None:
        return []
    limit = f" The best {LINES} trials are drawn." if len(sweep.trials) > LINES else ""
    return [
        Section(
            "Parallel coordinates",
            "One line per trial through its settings to its objective on the right, blue for the "
            "best and orange for the worst. Where blue lines meet on an axis, that setting "
            "mattered; where they meet at its end, search further that way. Dotted lines were "
            f"stopped early.{limit}",
            (Panel(figure, width=AXIS_WIDTH * (len(sweep.space.search) + 1)),),
        )
    ]


def _importance(found: SweepFindings) -> list[Section]:
    sweep = found.sweep
    if not sweep.space.search:
        return []
    count = len(sweep.comparable)
    title = "Importance of hyperparameters"
    if not found.importances:
        return [
            Section(
                title,
                "Not computed: it needs at least 4 comparable trials with different results, got "
                f"{count}.",
            )
        ]
    hint = f" A hint only: it is steady from about {STEADY} trials, here {count}."
    return [
        Section(
            title,
            "Share of each field in telling the best tenth of the trials by "
            f"{sweep.objectives[0]} from the rest (PED-ANOVA); all shares sum to 1. Search on in "
            f"fields with long bars, and leave the others alone.{hint if count < STEADY else ''}",
            (Panel(search_figures.importance(found.importances)),),
        )
    ]


def _curves(sweep: SweepResults) -> list[Section]:
    if not any(sweep.curves.values()):
        return []
    limit = f" The best {CURVES} trials are drawn." if len(sweep.trials) > CURVES else ""
    return [
        Section(
            "Learning curves",
            "The objective on the selection part by epoch; short curves were stopped early. Good: "
            "the winner is level at its end; one that still climbs deserves more epochs."
            f"{limit}",
            _panels(sweep, search_figures.curves),
        )
    ]


def _panels(sweep: SweepResults, draw: Callable[[SweepResults, str], Any]) -> tuple[Panel, ...]:
    """One figure per objective, with a title where there are several."""
    several = len(sweep.objectives) > 1
    return tuple(Panel(draw(sweep, name), name if several else "") for name in sweep.objectives)


def _score(scores: Mapping[str, float], name: str) -> str:
    return short(scores[name], DIGITS) if name in scores else ""
