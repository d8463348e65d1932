"""The contents of a sweep's and of a run's page."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from dvr_ray.reports import run_figures, search_figures
from dvr_ray.reports.auc import Separation
from dvr_ray.reports.parallel import LINES, parallel
from dvr_ray.reports.results import CURVES, RunResults, SweepResults
from dvr_ray.reports.sections import (
    Card,
    Content,
    Panel,
    Section,
    Table,
    auc_card,
    measured,
    run_sections,
    small_panels,
    span,
)
from dvr_ray.reports.summary import Summary, short, summarise
from dvr_ray.reports.tables import CONTROL, final_rows, top_trials
from dvr_ray.reports.trials import Trial

__all__ = ["run_content", "sweep_content"]

SHOWN_TRIALS = 15
DIGITS = 4


def sweep_content(sweep: SweepResults) -> Content:
    """Put together the page of a sweep."""
    run = sweep.shown_run
    found = measured(run)
    of = f"the winner, {_seed_name(sweep, run)}" if run else ""
    sections = [
        *_results(sweep),
        *_search(sweep),
        *(run_sections(run, found, of) if run else []),
        *_failures(sweep),
    ]
    counts = sweep.counts()
    subtitle = f"A sweep of {len(sweep.trials)} trials over {len(sweep.space.search)} fields"
    return Content(
        title=sweep.manifest.name,
        subtitle=f"{subtitle}, begun {sweep.manifest.created}"
        if sweep.manifest.created
        else subtitle,
        cards=(
            *_best_cards(sweep),
            Card(
                "trials finished",
                str(counts["finished"]),
                f"{counts['stopped']} stopped, {counts['failed']} failed",
            ),
            *_test_cards(sweep),
            *auc_card(found, _auc_over_seeds(sweep)),
            Card("looks at test", str(sweep.manifest.looks_at_test), _looks(sweep)),
        ),
        sections=tuple(sections),
        facts=_facts(sweep),
        config=sweep.best_yaml,
    )


def run_content(run: RunResults) -> Content:
    """Put together the page of one run."""
    found = measured(run)
    best = run.result.selection if run.result else {}
    cards = [
        Card(name, short(value, DIGITS), "best epoch, on selection") for name, value in best.items()
    ]
    last = run.reports[-1] if run.reports else None
    done = run.result.epoch if run.result else last.epoch if last else 0
    state = "finished" if run.result else "not finished"
    seconds = run.result.seconds if run.result else last.seconds if last else 0.0
    cards.append(Card("epochs", str(done), f"{state} after {span(seconds)}"))
    method = run.config.get("method", {})
    name = method.get("name", "") if isinstance(method, dict) else ""
    sections = [_learning(run, "this run"), *run_sections(run, found, "this run")]
    return Content(
        title=run.folder.resolve().name,
        subtitle=f"One run of method {name}" if name else "One run",
        cards=(*cards, *auc_card(found)),
        sections=tuple(section for section in sections if section.panels),
        facts=(),
        config=_yaml(run),
    )


def _best_cards(sweep: SweepResults) -> list[Card]:
    winner = sweep.winner
    if winner is None:
        return [Card("best objective", "none", "no trial gave a result")]
    return [
        Card(
            f"best {name}",
            short(winner.objectives[name], DIGITS),
            f"on selection; trial {winner.number}, epoch {winner.best_epoch}",
        )
        for name in sweep.objectives
        if name in winner.objectives
    ]


def _test_cards(sweep: SweepResults) -> list[Card]:
    """The first objective on test, beside keep-all."""
    for row in final_rows(sweep):
        method = sweep.final.method if sweep.final else ""
        if row.metric == sweep.objectives[0] and method in row.methods:
            own, control = row.methods[method], row.methods.get(CONTROL)
            beside = f"keep-all {control}" if control and method != CONTROL else "no control"
            seeds = f"{own.count} seed" + ("s" if own.count > 1 else "")
            return [Card(f"test {row.metric}, {method}", str(own), f"{beside}; {seeds}")]
    return []


def _results(sweep: SweepResults) -> list[Section]:
    sections = []
    rows = final_rows(sweep)
    if rows:
        methods = list(dict.fromkeys(name for row in rows for name in row.methods))
        pushed = any(row.metric.startswith("pushed@") for row in rows)
        sections.append(
            Section(
                "Test results",
                "Mean ± sd over fresh seeds of the winner and of the same settings without a "
                "valuator (keep-all); these were tuned for the winner, so the control is no tuned "
                "baseline. The difference is taken seed by seed and counts only where it is well "
                "beyond its sd."
                + (" Pushed items in a top list: fewer is better." if pushed else ""),
                table=Table(
                    ("metric", *methods, "difference"),
                    tuple(
                        (
                            row.metric,
                            *(str(row.methods.get(m, "")) for m in methods),
                            _signed(row.difference),
                        )
                        for row in rows
                    ),
                ),
            )
        )
    top = top_trials(sweep, SHOWN_TRIALS)
    if top:
        sections.append(
            Section(
                "Best trials",
                "Finished trials first, by the first objective at their best epoch on the "
                "selection part; stopped ones were trained less.",
                table=_trial_table(sweep, top),
            )
        )
    return sections


def _trial_table(sweep: SweepResults, trials: Sequence[Trial]) -> Table:
    fields = list(sweep.space.search)
    return Table(
        ("trial", "status", *sweep.objectives, "best epoch", "epochs", "seconds", *fields),
        tuple(
            (
                str(t.number),
                t.status,
                *(
                    short(t.objectives[n], DIGITS) if n in t.objectives else ""
                    for n in sweep.objectives
                ),
                "" if t.best_epoch is None else str(t.best_epoch),
                str(t.epochs),
                f"{t.seconds:.1f}",
                *(_cell(t.config.get(name)) for name in fields),
            )
            for t in trials
        ),
        left=2,
    )


def _search(sweep: SweepResults) -> list[Section]:
    return [
        *_history(sweep),
        *_pareto(sweep),
        *_curves(sweep),
        *_parallel(sweep),
        *_importance(sweep),
    ]


def _history(sweep: SweepResults) -> list[Section]:
    if not sweep.trials:
        return []
    return [
        Section(
            "History of the search",
            "One mark per trial in the order of the search: the line is the best finished trial "
            "so far and should climb above the dotted line, the plain run of trial 0; crosses at "
            "the foot failed."
            if all(map(sweep.maximised, sweep.objectives))
            else "One mark per trial in the order of the search: the line is the best finished trial "
            "so far; for an objective that is better when lower it falls.",
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
            "Finished trials by their objectives: no other trial beats a blue one in all of them; "
            "choose among these.",
            tuple(Panel(figure) for figure in fronts),
        )
    ]


def _curves(sweep: SweepResults) -> list[Section]:
    if not any(sweep.curves.values()):
        return []
    limit = f" The best {CURVES} trials are drawn." if len(sweep.trials) > CURVES else ""
    sections = [
        Section(
            "Learning curves",
            "The objective on the selection part by epoch: short curves were stopped early; a "
            f"winner that still climbs at its end deserves more epochs.{limit}",
            _panels(sweep, search_figures.curves),
        )
    ]
    run = sweep.shown_run
    if run and run.reports:
        sections.append(_learning(run, f"the winner, {_seed_name(sweep, run)}"))
    return sections


def _learning(run: RunResults, of: str) -> Section:
    return Section(
        f"Learning of {of}",
        "Metrics on the selection part, training loss and reward by epoch; the dotted line is the "
        "best epoch, and a keep-all control that lies above means that the values harm.",
        small_panels(run_figures.learning(run)),
        small=True,
    )


def _parallel(sweep: SweepResults) -> list[Section]:
    figure = parallel(sweep)
    if figure is None:
        return []
    limit = f" The best {LINES} trials are drawn." if len(sweep.trials) > LINES else ""
    width = 104 * (len(sweep.space.search) + 1)
    return [
        Section(
            "Parallel coordinates",
            "One line per trial through its settings to its objective on the right, blue for the "
            "best and orange for the worst: where blue lines meet, a setting mattered; dotted "
            f"lines were stopped early.{limit}",
            (Panel(figure, width=width),),
        )
    ]


def _importance(sweep: SweepResults) -> list[Section]:
    if not sweep.objectives or not sweep.space.search:
        return []
    figure = search_figures.importance(sweep)
    finished = sweep.counts()["finished"]
    title = "Importance of hyperparameters"
    if figure is None:
        reason = (
            f"Not computed: it needs at least 4 finished trials with different results, got "
            f"{finished} finished."
        )
        return [Section(title, reason)]
    rough = (
        ""
        if finished >= 50
        else f" A hint only: it is steady from about 50 trials, here {finished}."
    )
    return [
        Section(
            title,
            f"Share of each field in telling the best tenth of the trials by "
            f"{sweep.objectives[0]} from the rest (PED-ANOVA).{rough}",
            (Panel(figure),),
        )
    ]


def _failures(sweep: SweepResults) -> list[Section]:
    failed = [trial for trial in sweep.trials if trial.status == "failed"]
    if not failed:
        return []
    return [
        Section(
            "Failed trials",
            f"{len(failed)} of {len(sweep.trials)} trials failed; their causes in one line each.",
            table=Table(
                ("trial", "cause"),
                tuple((str(t.number), t.error or "unknown") for t in failed[:SHOWN_TRIALS]),
                left=2,
            ),
        )
    ]


def _panels(sweep: SweepResults, draw: Callable[[SweepResults, str], Any]) -> tuple[Panel, ...]:
    """One figure per objective, with a title where there are several."""
    several = len(sweep.objectives) > 1
    return tuple(Panel(draw(sweep, name), name if several else "") for name in sweep.objectives)


def _seed_name(sweep: SweepResults, run: RunResults | None) -> str:
    trial = f"trial {sweep.winner.number}" if sweep.winner else "a trial"
    if run is None or run is sweep.winner_run:
        return trial
    return f"{trial} retrained, {run.folder.name.replace('-', ' ')}"


def _auc_over_seeds(sweep: SweepResults) -> str:
    """AUC of the values over the retrained runs, where there are several."""
    runs = sweep.final_runs.get(sweep.final.method, ()) if sweep.final else ()
    found = [run.result.auc["value"] for run in runs if run.result and "value" in run.result.auc]
    summary = summarise(found)
    if summary is None or summary.count < 2:
        return ""
    return f"{summary.written(2)} over {summary.count} seeds"


def _looks(sweep: SweepResults) -> str:
    looks = sweep.manifest.test_looks
    return (
        "; ".join(f"{look.when}: {look.what}" for look in looks)
        if looks
        else "the test part is sealed"
    )


def _facts(sweep: SweepResults) -> tuple[tuple[str, str], ...]:
    manifest = sweep.manifest
    budget = manifest.budget
    allowed = [f"{budget.trials} trials"] if budget.trials is not None else []
    allowed += [f"{budget.minutes:g} minutes"] if budget.minutes is not None else []
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    seeds = ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())
    return (
        ("objective", ", ".join(manifest.objectives)),
        ("budget", f"{' or '.join(allowed) or 'unknown'}; spent {span(budget.seconds_spent)}"),
        ("seeds", seeds),
        ("data fingerprint", manifest.data_fingerprint),
        ("search space", manifest.space_hash),
        ("versions", versions),
    )


def _signed(difference: Summary | None) -> str:
    if difference is None:
        return ""
    return f"+{difference}" if difference.mean > 0 else str(difference)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _yaml(run: RunResults) -> str:
    if not run.config:
        return ""
    buffer = StringIO()
    YAML(pure=True).dump(json.loads(json.dumps(run.config)), buffer)
    return buffer.getvalue()
