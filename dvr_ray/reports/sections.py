"""What a page is made of, and the parts that sweeps and runs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dvr_ray.reports import run_figures
from dvr_ray.reports.auc import Separation, separations
from dvr_ray.reports.results import RunResults
from dvr_ray.reports.summary import Summary, short

__all__ = ["Card", "Content", "Panel", "Section", "Table", "auc_card", "measured", "run_sections"]


@dataclass(frozen=True)
class Card:
    """A headline number with what it is and what to know about it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """A figure; ``width`` is the least it needs in pixels, beyond that it scrolls sideways."""

    figure: Any
    title: str = ""
    note: str = ""
    width: int = 0


@dataclass(frozen=True)
class Table:
    """Cells as text; the first ``left`` columns are text, the others are numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True)
class Section:
    """A part of the page: title, how to read it, figures and a table.

    ``small`` puts the figures side by side.
    """

    title: str
    reading: str
    panels: tuple[Panel, ...] = ()
    table: Table | None = None
    small: bool = False


@dataclass(frozen=True)
class Content:
    """A whole page."""

    title: str
    subtitle: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...]
    config: str


def run_sections(run: RunResults, found: Sequence[Separation], of: str) -> list[Section]:
    """Return learning, warnings, values, ROC where noise was planted, and monitors of one run.

    Parameters
    ----------
    run : RunResults
        The run.
    found : sequence of Separation
        Empty where nothing was planted.
    of : str
        Which run it is, for the reader: ``"trial 3"``.
    """
    sections = [_learning(run, of)] if run.reports else []
    sections += _warnings(run, of)
    if run.values is not None:
        sections.append(_values(run, of))
    if found:
        sections.append(_roc(found, of))
    health = run_figures.monitors(run.reports)
    if health:
        sections.append(
            Section(
                "Health of the policy gradient",
                f"Monitors of {of} by epoch: no variance among the masks' advantages, an entropy "
                "near 0 or a keep rate at its bound means that the policy isn't learning.",
                _small_panels(health),
                small=True,
            )
        )
    return sections


def measured(run: RunResults | None) -> list[Separation]:
    """Measure the ROC of every score of a run; none where nothing was planted."""
    if run is None or run.values is None or not run.planted:
        return []
    return separations(run.values)


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


def _learning(run: RunResults, of: str) -> Section:
    compared = [report.adopted for report in run.reports if report.adopted]
    kept = compared.count("keep-all")
    best = "; the dotted line is the best epoch" if run.result is not None else ""
    gate = (
        " A keep-all control that lies above the model with values means that they harm: the gate "
        f"adopted keep-all in {kept} of {len(compared)} reports."
    )
    return Section(
        f"Learning of {of}",
        f"Metrics on the selection part, training loss and reward by epoch{best}."
        + (gate if compared else ""),
        _small_panels(run_figures.learning(run)),
        small=True,
    )


def _warnings(run: RunResults, of: str) -> list[Section]:
    rows = tuple((str(r.epoch), warning) for r in run.reports for warning in r.warnings)
    if not rows:
        return []
    return [
        Section(
            "Warnings",
            f"What went beyond a limit in {of}, and what to change; each warns once.",
            table=Table(("epoch", "warning"), rows, left=2),
        )
    ]


def _values(run: RunResults, of: str) -> Section:
    apart = (
        "planted rows should lie further left than real ones"
        if run.planted
        else ("rows on the left are the ones to look at first")
    )
    return Section(
        "Distribution of values",
        f"Values (batch size times Shapley value) and probabilities of keeping of all training "
        f"rows, from {of}: {apart}; the outermost thousandths are put in the end bins.",
        tuple(
            Panel(figure, name) for name, figure in run_figures.distributions(run.values).items()
        ),
        small=True,
    )


def _roc(found: Sequence[Separation], of: str) -> Section:
    width = found[0].half_width
    return Section(
        "Planted rows found",
        f"ROC of {of}: a curve above the diagonal gives planted rows lower scores than real ones. "
        "The learned value must beat minus the mean loss and every input feature alone; an AUC "
        f"within {short(width, 3)} of .5 is what random scores would reach (95%) and is "
        "called chance; one below ranks the wrong way round.",
        (Panel(run_figures.roc(found)),),
    )


def _small_panels(figures: Mapping[str, Any]) -> tuple[Panel, ...]:
    """Panels of figures by name, with what each name means."""
    return tuple(
        Panel(figure, name, run_figures.MEANINGS.get(name, "")) for name, figure in figures.items()
    )
