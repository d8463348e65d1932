"""The sections of a sweep's page that its run's page doesn't have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dvr_ray.reports import search_figures
from dvr_ray.reports.parallel import LINES, parallel
from dvr_ray.reports.results import CURVES, SweepResults
from dvr_ray.reports.sections import Panel, Section, Table
from dvr_ray.reports.summary import DIGITS, Summary, short
from dvr_ray.reports.tables import final_rows, top_trials
from dvr_ray.reports.trials import Trial

__all__ = ["best_trials", "failures", "final_results", "search_sections"]

SHOWN_TRIALS = 15
STEADY = 50
AXIS_WIDTH = 104


def final_results(sweep: SweepResults) -> list[Section]:
    """The final test table; no section where no winner was retrained."""
    rows = final_rows(sweep)
    if not rows:
        return []
    methods = list(dict.fromkeys(name for row in rows for name in row.methods))
    pushed = any(row.metric.startswith("pushed@") for row in rows)
    cells = tuple(
        (row.metric, *(str(row.methods.get(m, "")) for m in methods), _signed(row.difference))
        for row in rows
    )
    return [
        Section(
            "Test results",
            "Mean ± sd over fresh seeds of the winner and of the same settings without a valuator "
            "(keep-all); these were tuned for the winner, so the control is no tuned baseline. The "
            "difference is taken seed by seed and counts only where it is well beyond its sd."
            + (" Pushed items in a top list: fewer is better." if pushed else ""),
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
            "Finished trials first, by the first objective at their best epoch on the selection "
            "part; stopped ones were trained less.",
            table=_trial_table(sweep, top),
        )
    ]


def search_sections(sweep: SweepResults) -> list[Section]:
    """History, trade-off, parallel coordinates, importance and learning curves."""
    return [
        *_history(sweep),
        *_pareto(sweep),
        *_parallel(sweep),
        *_importance(sweep),
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
    return Table(
        ("trial", "status", *sweep.objectives, "best epoch", "epochs", "seconds", *fields),
        tuple(
            (
                str(t.number),
                t.status,
                *(_score(t, name) for name in sweep.objectives),
                "" if t.best_epoch is None else str(t.best_epoch),
                str(t.epochs),
                f"{t.seconds:.1f}",
                *(_cell(t.values.get(name)) for name in fields),
            )
            for t in trials
        ),
        left=2,
    )


def _history(sweep: SweepResults) -> list[Section]:
    if not sweep.trials:
        return []
    move = "climb above" if all(map(sweep.maximised, sweep.objectives)) else "leave"
    return [
        Section(
            "History of the search",
            "One mark per trial in the order of the search: the line is the best finished trial "
            f"so far (of stopped ones where none finished) and should {move} the dotted line, the "
            "plain run of trial 0; crosses at the foot failed.",
            _panels(sweep, search_figures.history),
        )
    ]


def _pareto(sweep: SweepResults) -> list[Section]:
    fronts = search_figures.pareto_fronts(sweep)
    if not fronts:
        return []
    return [
        Section(
            "Trade-off between objectives",
            "Trials by their objectives: no other trial beats a blue one in all of them; "
            "choose among these.",
            tuple(Panel(figure) for figure in fronts),
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
            "best and orange for the worst: where blue lines meet, a setting mattered; dotted "
            f"lines were stopped early.{limit}",
            (Panel(figure, width=AXIS_WIDTH * (len(sweep.space.search) + 1)),),
        )
    ]


def _importance(sweep: SweepResults) -> list[Section]:
    if not sweep.space.search:
        return []
    figure = search_figures.importance(sweep)
    count = len(sweep.comparable)
    title = "Importance of hyperparameters"
    if figure is None:
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
            f"{sweep.objectives[0]} from the rest (PED-ANOVA).{hint if count < STEADY else ''}",
            (Panel(figure),),
        )
    ]


def _curves(sweep: SweepResults) -> list[Section]:
    if not any(sweep.curves.values()):
        return []
    limit = f" The best {CURVES} trials are drawn." if len(sweep.trials) > CURVES else ""
    return [
        Section(
            "Learning curves",
            "The objective on the selection part by epoch: short curves were stopped early; a "
            f"winner that still climbs at its end deserves more epochs.{limit}",
            _panels(sweep, search_figures.curves),
        )
    ]


def _panels(sweep: SweepResults, draw: Callable[[SweepResults, str], Any]) -> tuple[Panel, ...]:
    """One figure per objective, with a title where there are several."""
    several = len(sweep.objectives) > 1
    return tuple(Panel(draw(sweep, name), name if several else "") for name in sweep.objectives)


def _signed(difference: Summary | None) -> str:
    if difference is None:
        return ""
    return f"+{difference}" if difference.mean > 0 else str(difference)


def _score(trial: Trial, objective: str) -> str:
    return short(trial.objectives[objective], DIGITS) if objective in trial.objectives else ""


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
