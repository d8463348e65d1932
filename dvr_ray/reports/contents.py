"""The contents of a sweep's and of a run's page: headline, sections and origin."""

from __future__ import annotations

from io import StringIO

from ruamel.yaml import YAML

from dvr_ray.reports.findings import RunFindings, SweepFindings
from dvr_ray.reports.parts import Card, Content
from dvr_ray.reports.results import RunResults, SweepResults
from dvr_ray.reports.sections import auc_card, run_sections
from dvr_ray.reports.summary import DIGITS, short, span
from dvr_ray.reports.sweep_sections import best_trials, failures, final_results, search_sections
from dvr_ray.reports.tables import CONTROL

__all__ = ["run_content", "sweep_content"]


def sweep_content(found: SweepFindings) -> Content:
    """Put together the page of a sweep."""
    sweep, shown = found.sweep, found.shown
    begun = f", begun {sweep.manifest.created}" if sweep.manifest.created else ""
    return Content(
        title=sweep.manifest.name,
        subtitle=f"A sweep of {len(sweep.trials)} trials over {len(sweep.space.search)} "
        f"fields{begun}",
        cards=(
            *_best_cards(sweep),
            _trials_card(sweep),
            *_test_cards(found),
            *auc_card(shown.separations if shown else (), found.auc),
            Card("looks at test", str(sweep.manifest.looks_at_test), _looks(sweep)),
        ),
        sections=(
            *final_results(found),
            *best_trials(sweep),
            *search_sections(found),
            *(run_sections(shown, _which(sweep, shown.run)) if shown else []),
            *failures(sweep),
        ),
        facts=_facts(sweep),
        config=sweep.best_yaml,
        elsewhere=", those of trials in trials.csv",
    )


def run_content(found: RunFindings) -> Content:
    """Put together the page of one run."""
    run = found.run
    method = run.config.get("method")
    name = method.get("name", "") if isinstance(method, dict) else ""
    best = run.result.selection if run.result else {}
    return Content(
        title=run.folder.resolve().name,
        subtitle=f"One run of method {name}" if name else "One run",
        cards=(
            *(Card(n, short(v, DIGITS), "on selection, best epoch") for n, v in best.items()),
            _progress_card(run),
            *auc_card(found.separations),
        ),
        sections=tuple(run_sections(found, "this run")),
        facts=(),
        config=_yaml(run),
    )


def _best_cards(sweep: SweepResults) -> list[Card]:
    winner = sweep.winner
    if winner is None:
        return [Card("best objective", "none", "no trial gave a result")]
    where = f"on selection; trial {winner.number}, epoch {winner.best_epoch}"
    return [
        Card(f"best {name}", short(winner.objectives[name], DIGITS), where)
        for name in sweep.objectives
        if name in winner.objectives
    ]


def _trials_card(sweep: SweepResults) -> Card:
    counts = sweep.counts()
    others = f"{counts['stopped']} stopped, {counts['failed']} failed"
    return Card("trials finished", str(counts["finished"]), others)


def _test_cards(found: SweepFindings) -> list[Card]:
    """The first objective on test, beside keep-all."""
    sweep = found.sweep
    for row in found.final:
        method = sweep.final.method if sweep.final else ""
        if row.metric == sweep.objectives[0] and method in row.methods:
            own, control = row.methods[method], row.methods.get(CONTROL)
            beside = f"keep-all {control}" if control else "no control"
            seeds = f"{own.count} seed{'s' if own.count > 1 else ''}"
            return [Card(f"test {row.metric}, {method}", str(own), f"{beside}; {seeds}")]
    return []


def _progress_card(run: RunResults) -> Card:
    if run.result is not None:
        return Card("epochs", str(run.result.epoch), f"finished in {span(run.result.seconds)}")
    if run.reports:
        last = run.reports[-1]
        return Card("epochs", str(last.epoch), f"not finished after {span(last.seconds)}")
    return Card("epochs", "0", "not finished")


def _which(sweep: SweepResults, run: RunResults) -> str:
    trial = f"the winner, trial {sweep.winner.number}" if sweep.winner else "a trial"
    if run is sweep.winner_run:
        return trial
    return f"{trial} retrained with {run.folder.name.replace('-', ' ')}"


def _looks(sweep: SweepResults) -> str:
    looks = [f"{look.when}: {look.what}" for look in sweep.manifest.test_looks]
    return "; ".join(looks) or ("" if sweep.manifest.looks_at_test else "the test part is sealed")


def _facts(sweep: SweepResults) -> tuple[tuple[str, str], ...]:
    manifest, budget = sweep.manifest, sweep.manifest.budget
    return (
        ("objective", ", ".join(manifest.objectives)),
        ("budget", f"{budget.described}; spent {span(budget.seconds_spent)}"),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())),
        ("data fingerprint", manifest.data_fingerprint),
        ("search space", manifest.space_hash),
        ("versions", ", ".join(f"{name} {found}" for name, found in manifest.versions.items())),
    )


def _yaml(run: RunResults) -> str:
    if not run.config:
        return ""
    buffer = StringIO()
    YAML(pure=True).dump(run.config, buffer)
    return buffer.getvalue()
