"""The parts that the pages of sweeps and of runs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dvr_ray.monitors import MONITORS
from dvr_ray.reports import run_figures
from dvr_ray.reports.auc import Separation
from dvr_ray.reports.findings import RunFindings
from dvr_ray.reports.parts import Card, Panel, Section, Table
from dvr_ray.reports.summary import Summary, significant
from dvr_ray.reports.value_sections import value_sections

__all__ = ["auc_card", "run_sections"]


def run_sections(found: RunFindings, of: str) -> list[Section]:
    """Return learning, warnings, values and monitors of one run.

    Parameters
    ----------
    found : RunFindings
        What was measured of it.
    of : str
        Which run it is, for the reader: ``"trial 3"``.
    """
    return [
        *_learning(found, of),
        *_warnings(found, of),
        *value_sections(found, of),
        *_health(found, of),
    ]


def auc_card(found: Sequence[Separation], over_seeds: Summary | None = None) -> list[Card]:
    """AUC of the values beside the strongest plain score; no card where nothing was planted."""
    if not found:
        return []
    value, rest = found[0], found[1:]
    best = max(rest, key=lambda s: s.auc, default=None)
    notes = [f"best plain score: {best.name}, {best.described}"] if best else []
    written = value.described
    if over_seeds is not None and over_seeds.count > 1:
        notes.insert(0, f"{over_seeds.count} seeds")
        if abs(over_seeds.mean - 0.5) > value.half_width:
            written = over_seeds.written(2)
    return [Card("AUC, real against planted", written, "; ".join(notes))]


def _learning(found: RunFindings, of: str) -> list[Section]:
    if not found.run.reports:
        return []
    best = "; the dotted line is the best epoch" if found.run.result is not None else ""
    kept, compared = found.gate
    gate = (
        " The model with values should lie above the keep-all control, which is trained on every "
        f"row; where it lies below, the gate adopts keep-all, here in {kept} of {compared} reports."
    )
    return [
        Section(
            f"Learning of {of}",
            "Metrics on the selection part, training loss and reward by epoch. Good: metrics and "
            f"reward rise and level off, the loss falls{best}." + (gate if compared else ""),
            _small_panels(run_figures.learning(found.run)),
            small=True,
        )
    ]


def _warnings(found: RunFindings, of: str) -> list[Section]:
    rows = tuple((str(r.epoch), warning) for r in found.run.reports for warning in r.warnings)
    if not rows:
        return []
    return [
        Section(
            "Warnings",
            f"What went beyond a limit in {of}, and what to change; each warns once.",
            table=Table(("epoch", "warning"), rows, left=2),
        )
    ]


def _health(found: RunFindings, of: str) -> list[Section]:
    figures = run_figures.monitors(found.run.reports)
    if not figures:
        return []
    last = {
        name: "last " + ", ".join(significant(number) for number in numbers)
        for name, numbers in found.monitors.items()
    }
    return [
        Section(
            "Health of the policy gradient",
            f"What to look at when {of} learned badly, by epoch; beside each name stands what it "
            "is, what is good or bad, and its last value. A policy isn't learning while the masks' "
            "rewards are alike, its entropy is near 0 or its keep rate stands at a bound.",
            _small_panels(figures, last),
            small=True,
        )
    ]


def _small_panels(
    figures: Mapping[str, Any], last: Mapping[str, str] | None = None
) -> tuple[Panel, ...]:
    """Panels of figures by name, with what each name means and its last value."""
    notes = {
        name: [text for text in (MONITORS.get(name), (last or {}).get(name)) if text]
        for name in figures
    }
    return tuple(Panel(figure, name, "; ".join(notes[name])) for name, figure in figures.items())
