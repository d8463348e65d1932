"""The page of a user: the history coloured by value, and one interaction explained in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from ruamel.yaml import YAML

from dvr_ray.explaining import tables
from dvr_ray.explaining.explanation import Explainer, Explanation, Row
from dvr_ray.explaining.sentences import place, sentences
from dvr_ray.reports.figures import ACCENT, BAD, MUTED, blank, label, line, whole_steps
from dvr_ray.reports.page import write_page
from dvr_ray.reports.parts import Card, Content, Panel, Section, Table
from dvr_ray.reports.summary import short, significant

__all__ = ["DRAWN", "write_history"]

DRAWN, WIDTH = 200, 40
BAR, EDGE = 18, 70


def write_history(
    explainer: Explainer, user: str, found: Sequence[Explanation], page: Path, *, one: bool
) -> Path:
    """Write a user's page, and its numbers beside it.

    Parameters
    ----------
    explainer : Explainer
        Of the run.
    user : str
        Original id.
    found : sequence of Explanation
        Rows that are explained.
    page : Path
        ``FILE.html``; numbers go to ``FILE.json``.
    one : bool
        Whether the first of them is explained in full.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CheckpointError
        If it can't be written.
    """
    run = explainer.run
    rows = _ordered(explainer, run.rows_of(user, None))
    lower = np.searchsorted(np.sort(run.values), run.values[rows]) / len(run.values)
    named = [explainer.row(row) for row in rows.tolist()]
    digest = {
        "kind": "history",
        "folder": str(run.opened.folder),
        "user": named[0].user_id,
        "history": [
            {"item": row.item_id, "name": row.item, "value": row.value, "lower": share}
            for row, share in zip(named, lower.tolist(), strict=True)
        ],
        "explained": [each.digest() for each in found],
    }
    content = Content(
        title=f"Values of {_user(named[0])}",
        subtitle=sentences(found[0])[0] if one else _subtitle(named, lower),
        cards=tuple(_cards(named, lower, found[0] if one else None)),
        sections=(
            *(_plain_words(found[0]) if one else ()),
            _history(explainer, named, lower, found if one else ()),
            *(_one(found[0]) if one else _several(found)),
        ),
        facts=(
            ("run", f"{run.opened.folder}, epoch {run.opened.result['best_epoch']}"),
            ("value", "mean over four random partitions into batches, as in values.parquet"),
            ("held out", "what was held out to measure with has no value and isn't shown"),
        ),
        config=_yaml(explainer),
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    return write_page(content, digest, page, page.with_suffix(".json"))


def _user(row: Row) -> str:
    return f"user {row.user}" if row.user == str(row.user_id) else row.user


def _ordered(explainer: Explainer, rows: np.ndarray) -> np.ndarray:
    """A user's rows by time where it is known, else the highest value first."""
    table = explainer.run.table
    if "time" in table:
        return rows[np.argsort(table["time"].to_numpy()[rows], kind="stable")]
    return explainer.run.by_value(rows)[::-1]


def _subtitle(named: list[Row], lower: np.ndarray) -> str:
    return (
        f"Of {len(named):,} training interactions, {int((lower < 0.1).sum()):,} are in the lowest "
        f"tenth of all by value, {int((lower >= 0.9).sum()):,} in the highest; by chance a tenth."
    )


def _cards(named: list[Row], lower: np.ndarray, one: Explanation | None) -> Iterator[Card]:
    if one is not None:
        yield Card("value", significant(one.row.value), place(one))
        yield Card("probability", short(one.probability), "of keeping it, by the policy")
        rows = one.parts.checks[0].rows
        text = "rounding apart" if one.adds_up else "look at the table of checks"
        yield Card("values add up", "yes" if one.adds_up else "NO", f"to the worth; {text}")
        yield Card("batch", f"{rows:,}", "rows, whose game its value is of")
        return
    values = [row.value for row in named]
    yield Card("interactions", f"{len(named):,}", "in the training part")
    yield Card("mean value", significant(float(np.mean(values))), "of them")
    yield Card("rows valued lower", f"{lower.mean():.0%}", "of all, on average; 50% is usual")


def _plain_words(found: Explanation) -> Iterator[Section]:
    yield Section("In plain words", " ".join(sentences(found)[1:]))


def _history(
    explainer: Explainer, named: list[Row], lower: np.ndarray, marked: Sequence[Explanation]
) -> Section:
    timed = "time" in explainer.run.table
    order = "the earliest first" if timed else "the highest value first"
    few = np.arange(len(named))
    if len(named) > DRAWN:
        ranks = np.argsort([row.value for row in named], kind="stable")
        few = np.sort(np.concatenate([ranks[: DRAWN // 2], ranks[-DRAWN // 2 :]]))
        order += f"; only the {DRAWN // 2} highest and lowest are drawn"
    rows = tuple(
        (row.item, significant(row.value), f"{share:.1%}")
        for row, share in zip(named, lower.tolist(), strict=True)
    )
    return Section(
        "History",
        f"Every training interaction, {order}. The colour says how many of all training rows are "
        "valued lower: red for few, blue for many. A low value says that keeping rows with such "
        "inputs didn't help the reward; look before you delete.",
        (Panel(_bars([named[k] for k in few], lower[few], {each.row.row for each in marked})),),
        Table(("item", "value", "rows valued lower"), rows, find="Find an item", ends=25),
    )


def _bars(named: list[Row], lower: np.ndarray, marked: set[int]) -> go.Figure:
    """One bar an interaction, coloured by the share of all rows that are valued lower."""
    places = list(range(len(named)))
    figure = blank("value", height=EDGE + BAR * len(named))
    figure.add_trace(
        go.Bar(
            x=[float(f"{row.value:.4g}") for row in named],
            y=places,
            orientation="h",
            marker={
                "color": np.round(lower, 4).tolist(),
                "colorscale": [[0, BAD], [0.5, MUTED], [1, ACCENT]],
                "cmin": 0,
                "cmax": 1,
                "line": {"width": [2.5 if row.row in marked else 0 for row in named]},
            },
            text=[label(row.item) for row in named],
            textposition="none",
            customdata=np.round(lower, 4).tolist(),
            hovertemplate="%{text}<br>%{x:.3g}, above that of %{customdata:.1%}<extra></extra>",
        )
    )
    figure.update_yaxes(
        tickvals=places,
        ticktext=[label(_cut(row.item)) for row in named],
        autorange="reversed",
        showgrid=False,
    )
    return figure


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _one(found: Explanation) -> Iterator[Section]:
    yield Section(
        "Inputs",
        "How many of all training rows have less of each input, and how what the row says alone "
        "differs by it from what the mean row of its batches says. The last column adds up.",
        table=tables.inputs(found),
    )
    yield Section(
        "Largest Harsanyi units",
        "A unit speaks only when all rows of its field are in the batch; its dividend is shared "
        "evenly among them. Listed are those whose share adds most to the row's value; numbers are "
        "means over its batches, other members those of the first.",
        table=tables.units(found),
    )
    yield Section(
        "Who else is in the first three",
        "Other members of each in the first of its batches, those with the nearest inputs.",
        table=tables.members(found),
    )
    yield Section(
        "Value over training",
        found.no_past
        or "Share of the rows in its batches that were valued lower, report by report.",
        () if found.no_past else (Panel(_past(found)),),
        None if found.no_past else tables.past(found),
    )
    moved = tables.moved(found)
    if moved is not None:
        yield Section(
            "Whose metric it moves",
            "First-order estimate at the final model: what one small step on this row alone does "
            "to users' loss on validation-selection items. It is no account of training.",
            table=moved,
        )
    yield Section(
        "Rows with the nearest inputs",
        "Rows with the same inputs have the same value, whoever's they are.",
        table=tables.near(found.alike, "distance"),
    )
    if found.history:
        yield Section(
            "The user's other items nearest to it",
            "By the cosine of the model's embeddings.",
            table=tables.near(found.history, "cosine"),
        )
    yield Section(
        "Check",
        "The values of a batch must add up to its worth minus that of the empty batch, which is "
        "found without them.",
        table=tables.checks(found),
    )


def _several(found: Sequence[Explanation]) -> Iterator[Section]:
    table = tables.ranked(found)
    yield Section(
        "Highest and lowest",
        "The largest parts that make each value differ from the mean, in that direction.",
        table=Table(("item", "why"), tuple((row[1], row[-1]) for row in table.rows), left=2),
    )


def _past(found: Explanation) -> go.Figure:
    figure = blank("epoch", "rows valued lower", height=280)
    epochs = [past.epoch for past in found.past]
    shares = [round(past.lower, 4) for past in found.past]
    line(figure, epochs, shares, "rows valued lower", ACCENT, mode="lines+markers")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    whole_steps(figure, max(epochs, default=0))
    return figure


def _yaml(explainer: Explainer) -> str:
    buffer = StringIO()
    YAML(pure=True).dump(explainer.run.config.model_dump(mode="json"), buffer)
    return buffer.getvalue()
