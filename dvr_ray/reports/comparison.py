"""The page, and the numbers, of several sweeps side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dvr_ray.reports.comparing import Compared, Comparison, TestRow
from dvr_ray.reports.comparison_figures import best_so_far, winners
from dvr_ray.reports.digest import auc_digest, plain, summary_digest, trial_digest
from dvr_ray.reports.parts import Card, Content, Panel, Section, Table
from dvr_ray.reports.summary import DIGITS, short, signed, span, written
from dvr_ray.reports.tables import FEWER, PUSHED

__all__ = ["comparison_content", "comparison_digest"]


def comparison_content(found: Comparison) -> Content:
    """Put together the page."""
    names = [compared.name for compared in found.sweeps]
    return Content(
        title=" against ".join(names) if len(names) == 2 else f"{len(names)} sweeps",
        subtitle=f"{', '.join(names)} side by side; differences are taken against {names[0]}",
        cards=tuple(_card(found, compared) for compared in found.sweeps),
        sections=(
            *_test(found),
            _searches(found),
            *_configs(found),
            *_figures(found),
            *_aucs(found),
        ),
        facts=tuple(
            (c.name, f"data {c.sweep.manifest.data_fingerprint}, space {_space(c)}, {_versions(c)}")
            for c in found.sweeps
        ),
        config="",
    )


def comparison_digest(found: Comparison) -> dict[str, Any]:
    """Return the numbers of the page as plain values."""
    content = {
        "kind": "comparison",
        "against": found.sweeps[0].name,
        "objectives": found.objectives,
        "test": [_test_digest(row) for row in found.test],
        "sweeps": [_sweep_digest(compared) for compared in found.sweeps],
        "best_configs_differ": found.differing,
    }
    return dict(plain(content))


def _card(found: Comparison, compared: Compared) -> Card:
    """The first common objective on test, or on selection where test wasn't looked at."""
    objective = found.objectives[0]
    for row in found.test:
        if row.metric == objective and row.sweep == compared.name:
            seeds = f"{row.found.count} seed{'s' if row.found.count > 1 else ''}"
            return Card(compared.name, str(row.found), f"test {objective}, {row.method}; {seeds}")
    winner = compared.sweep.winner
    best = winner.objectives.get(objective) if winner else None
    value = "none" if best is None else short(best, DIGITS)
    return Card(compared.name, value, f"{objective} on selection; not tested")


def _test(found: Comparison) -> list[Section]:
    if not found.test:
        return []
    first = found.sweeps[0].name
    pushed = any(row.metric.startswith(PUSHED) for row in found.test)
    rows = tuple(
        (
            row.metric, row.sweep, row.method, row.why, str(row.found), str(row.found.count),
            signed(row.difference), "" if row.better is None else str(row.better),
            "" if row.control is None else str(row.control),
        )
        for row in found.test
    )  # fmt: skip
    return [
        Section(
            "Test results",
            f"Each sweep's winner on the test part, mean ± sd over fresh seeds. The difference "
            f"from {first} is taken seed by seed where seeds, split and data agree; then higher "
            "counts the seeds that scored higher. Good: a difference several times its sd, of one "
            "sign in all seeds. keep-all is the same winner trained without a valuator."
            + (FEWER if pushed else ""),
            table=Table(
                ("metric", "sweep", "method", "compared", "test", "seeds", "difference", "higher",
                 "keep-all"),
                rows,
                left=4,
            ),
        )
    ]  # fmt: skip


def _searches(found: Comparison) -> Section:
    columns = ("sweep", "budget", *found.objectives, "finished", "stopped", "failed", "spent",
               "looks at test")  # fmt: skip
    return Section(
        "Searches",
        "What each sweep was allowed and spent, and its winner's objectives on the selection part; "
        "a winner is chosen by the first objective of its own sweep. "
        "Compare sweeps of like budgets: more trials alone give a higher best; and each look at "
        "test beyond the first makes its test results a little too good.",
        table=Table(columns, tuple(_search(found, c) for c in found.sweeps), left=2),
    )


def _search(found: Comparison, compared: Compared) -> tuple[str, ...]:
    sweep, counts = compared.sweep, compared.sweep.counts()
    best = sweep.winner.objectives if sweep.winner else {}
    return (
        compared.name,
        sweep.manifest.budget.described,
        *(short(best[n], DIGITS) if n in best else "" for n in found.objectives),
        *(str(counts[status]) for status in ("finished", "stopped", "failed")),
        span(sweep.manifest.budget.seconds_spent),
        str(sweep.manifest.looks_at_test),
    )


def _configs(found: Comparison) -> list[Section]:
    if not found.differing:
        return []
    names = tuple(compared.name for compared in found.sweeps)
    return [
        Section(
            "Best configs where they differ",
            "Fields of the winners' configs that aren't the same in all sweeps; empty where a "
            "config doesn't have the field.",
            table=Table(
                ("field", *names),
                tuple((path, *map(written, values)) for path, values in found.differing.items()),
                left=1 + len(names),
            ),
        )
    ]


def _figures(found: Comparison) -> list[Section]:
    return [
        Section(
            "History of the searches",
            "The best finished trial so far on the selection part, by number of trials. Good: a "
            "line that rises early and is level at its end; one that still steps up hasn't had "
            "enough trials to be compared.",
            _panels(found, best_so_far),
        ),
        Section(
            "Learning of the winners",
            "Each winner's objective on the selection part by epoch. Good: level at the end; of "
            "two that end alike, the one that gets there in fewer epochs costs less.",
            _panels(found, winners),
        ),
    ]


def _panels(
    found: Comparison, draw: Callable[[Comparison, str], Any]
) -> tuple[Panel, ...]:  # fmt: skip
    several = len(found.objectives) > 1
    return tuple(Panel(draw(found, name), name if several else "") for name in found.objectives)


def _aucs(found: Comparison) -> list[Section]:
    rows = tuple(_auc(compared) for compared in found.sweeps if compared.separations)
    if not rows:
        return []
    return [
        Section(
            "Planted rows found",
            "How well values rank real rows above planted ones: AUC of the run that the sweep's "
            "own page shows, and mean ± sd over the retrained seeds. Good: towards 1 and above "
            "the best plain score; within the band of chance, random scores do as well. AUCs of "
            "sweeps with other noise aren't comparable.",
            table=Table(
                ("sweep", "AUC of values", "over seeds", "chance", "best plain score", "its AUC"),
                rows,
            ),
        )
    ]


def _auc(compared: Compared) -> tuple[str, ...]:
    value, *rest = compared.separations
    best = max(rest, key=lambda s: s.auc, default=None)
    return (
        compared.name,
        short(value.auc),
        compared.auc.written(2) if compared.auc else "",
        f"{short(0.5)} ± {short(value.half_width)}",
        best.name if best else "",
        short(best.auc) if best else "",
    )


def _space(compared: Compared) -> str:
    return compared.sweep.manifest.space_hash


def _versions(compared: Compared) -> str:
    versions = compared.sweep.manifest.versions
    return ", ".join(f"{name} {found}" for name, found in versions.items())


def _test_digest(row: TestRow) -> dict[str, Any]:
    return {
        "metric": row.metric,
        "sweep": row.sweep,
        "method": row.method,
        **summary_digest(row.found),
        "keep_all": row.control and summary_digest(row.control),
        "difference": row.difference and _difference_digest(row),
        "higher": row.better,
        "compared": row.why,
    }


def _difference_digest(row: TestRow) -> dict[str, Any]:
    """Without pairs, a difference of means has neither sd nor seeds."""
    assert row.difference is not None
    full = summary_digest(row.difference)
    return full if row.better is not None else {"mean": full["mean"]}


def _sweep_digest(compared: Compared) -> dict[str, Any]:
    sweep = compared.sweep
    return {
        "name": compared.name,
        "folder": str(sweep.folder),
        **sweep.manifest.model_dump(mode="json", include={
            "created", "versions", "data_fingerprint", "space_hash", "seeds", "budget",
            "looks_at_test",
        }),
        "trials": {"all": len(sweep.trials), **sweep.counts()},
        "best": sweep.winner and trial_digest(sweep.winner),
        "auc": [auc_digest(separation) for separation in compared.separations],
        "auc_over_seeds": compared.auc and summary_digest(compared.auc),
    }  # fmt: skip
