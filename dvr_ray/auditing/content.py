"""The page of an audit: verdict, how well planted rows were found, and the least valued."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pandas as pd
from ruamel.yaml import YAML

from dvr_ray.auditing.findings import Findings
from dvr_ray.auditing.judging import LOWEST, TRUSTED, Judgement, Score
from dvr_ray.auditing.strength import Strength
from dvr_ray.metrics.auc_interval import Estimate
from dvr_ray.reports import value_figures
from dvr_ray.reports.parts import Card, Content, Panel, Section, Table
from dvr_ray.reports.summary import DIGITS, short, significant, span

__all__ = ["SHOWN", "content", "planted_rows", "selections", "separations"]

SHOWN, WIDTH = 30, 60
SCORE_DIGITS = 3
TEXTS = ("user", "item")


def content(found: Findings) -> Content:
    """Put together the page of an audit."""
    return Content(
        title=f"Audit of {found.name}",
        subtitle=" ".join(found.advice),
        cards=tuple(_cards(found)),
        sections=(_found(found), *_selected(found), *_lists(found), *_warnings(found)),
        facts=tuple(_facts(found)),
        config=_yaml(found),
    )


def separations(found: Findings) -> Table:
    """AUC of every score and kind of noise, with its interval."""
    rows = tuple(
        (judgement.kind, score.name, short(score.auc.value, SCORE_DIGITS), _ends(score.auc),
         judgement.verdict if number == 0 else "")
        for judgement in found.judgements
        for number, score in enumerate(judgement.scores)
    )  # fmt: skip
    return Table(("planted", "score", "AUC", "95% interval", "verdict"), rows, left=2)


def planted_rows(found: Findings) -> Table:
    """Where the planted rows lie in the order by value."""
    rows = tuple(
        (j.kind, f"{j.real:,}", f"{j.planted:,}", f"{j.planted / (j.real + j.planted):.1%}",
         f"{j.lowest_planted:.1%}", f"{j.lowest_found:.1%}")
        for j in found.judgements
    )  # fmt: skip
    columns = ("planted", "real rows", "planted rows", "share planted")
    tenth = f"lowest {LOWEST:.0%}"
    return Table((*columns, f"planted of the {tenth}", f"planted in the {tenth}"), rows)


def selections(found: Findings) -> Table | None:
    """What selection by value did to the metric; None where nothing was compared."""
    rows = tuple(
        (j.kind, s.metric, short(s.keep_all, DIGITS), short(s.valued, DIGITS),
         f"keep-all in {s.kept} of {s.compared}")
        for j in found.judgements if (s := j.selected) is not None
    )  # fmt: skip
    columns = ("planted", "metric", "keep-all", "selected by value", "adopted by the gate")
    return Table(columns, rows, left=2) if rows else None


def _ends(auc: Estimate) -> str:
    return f"{short(auc.low, SCORE_DIGITS)} to {short(auc.high, SCORE_DIGITS)}"


def _cards(found: Findings) -> Iterator[Card]:
    yield Card("verdict", found.verdict, f"{found.setting.rows:,} rows in the log")
    for judgement in found.judgements:
        value: Score = judgement.scores[0]
        best = judgement.best
        yield Card(
            f"AUC, {judgement.kind}",
            short(value.auc.value),
            f"{_ends(value.auc)}; best score: {best.name}, {short(best.auc.value)}",
        )
    if found.listing.agreement is not None:
        yield Card("agreement of the runs", short(found.listing.agreement), "rank correlation")


def _found(found: Findings) -> Section:
    return Section(
        "Planted rows found",
        "Rows were planted in the training part; the training isn't told which. AUC is the "
        "probability that a real row is valued above a planted one: .5 is chance, 1 is perfect. "
        "The interval allows for rows that share users or items. Values are trusted where it lies "
        "above .5 for every kind. The scores below the value cost nothing: where one of them is "
        "better, use it. Good: in the figures, planted rows lie to the left of real ones.",
        tuple(
            Panel(
                value_figures.distributions(found.tables[judgement.kind])["value"],
                judgement.kind,
                f"{judgement.lowest_planted:.0%} of the lowest tenth is planted, by chance "
                f"{_share(judgement):.0%}",
            )
            for judgement in found.judgements
        ),
        separations(found),
        small=True,
    )


def _share(judgement: Judgement) -> float:
    return judgement.planted / (judgement.real + judgement.planted)


def _selected(found: Findings) -> Iterator[Section]:
    yield Section(
        "Where the planted rows lie",
        f"How many of the lowest {LOWEST:.0%} of all rows by value are planted, and how many of "
        "the planted rows lie there.",
        table=planted_rows(found),
    )
    table = selections(found)
    if table is not None:
        yield Section(
            "Does selecting help?",
            "The metric on validation-selection, best report: trained on every row (planted ones "
            "too), and on rows drawn by their value. The gate adopts keep-all where it is better. "
            "One run; differences of .004 may be luck.",
            table=table,
        )


def _lists(found: Findings) -> Iterator[Section]:
    log = found.listing
    doubt = "" if found.verdict == TRUSTED else " The values aren't trusted: look, don't delete."
    kept = f"{found.setting.rows - len(log.rows):,}"
    yield Section(
        "Least valued interactions",
        f"Of {len(log.rows):,} real training rows, the lowest first; {kept} rows of the log were "
        "held out to measure with, and have no value. A value is in standard deviations from the "
        f"mean, averaged over runs. Planted rows are left out.{doubt}",
        table=_table(log.interactions, ("value",)),
    )
    for kind, table in (("user", log.users), ("item", log.items)):
        yield Section(
            f"Least valued {kind}s",
            f"Mean value over the {kind}'s real training rows; {log.members[kind]:,} {kind}s have "
            f"rows enough to be ranked.{doubt}",
            table=_table(table, ("rows", "value")),
        )


def _table(frame: pd.DataFrame, numbers: tuple[str, ...]) -> Table:
    """Rank, ids, attributes, then numbers, as text."""
    texts = [n for n in frame if n in TEXTS or n.startswith(("user.", "item."))]
    rows = tuple(
        (str(row["rank"]), *(_text(row[name]) for name in texts),
         *(significant(row[n]) if n == "value" else str(row[n]) for n in numbers))
        for row in frame.head(SHOWN).to_dict("records")
    )  # fmt: skip
    return Table(("rank", *texts, *numbers), rows, left=1 + len(texts))


def _text(value: object) -> str:
    """Write an id or attribute; an item may have hundreds of tags, of which the lists have all."""
    text = "" if value is None or value != value else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _warnings(found: Findings) -> Iterator[Section]:
    rows = tuple((j.kind, warning) for j in found.judgements for warning in j.warnings)
    if rows:
        text = "What went beyond a limit while training, and what to change."
        yield Section("Warnings", text, table=Table(("planted", "warning"), rows, left=2))


def _facts(found: Findings) -> Iterator[tuple[str, str]]:
    yield "data", f"{found.name}, fingerprint {found.fingerprint}"
    yield "training", f"{len(found.judgements)} runs, {span(found.seconds)}"
    yield "training.l2", _strength(found.strength, found.setting.config.training.metric)
    yield "all values", "values.parquet; the lists are also least-valued-*.csv"
    yield "runs", ", ".join(f"{kind}: dvr-ray report {kind}" for kind in found.setting.kinds)


def _strength(strength: Strength, metric: str) -> str:
    tried = ", ".join(f"{l2:g}: {short(found, DIGITS)}" for l2, found in strength.tried.items())
    how = f"the best on validation-selection ({metric} by L2, keep-all: {tried})"
    return f"{strength.l2:g}, {how if tried else 'as given'}"


def _yaml(found: Findings) -> str:
    buffer = StringIO()
    YAML(pure=True).dump(found.setting.config.model_dump(mode="json"), buffer)
    return buffer.getvalue()
