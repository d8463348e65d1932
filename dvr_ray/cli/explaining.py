"""``dvr-ray explain``: why interactions of a finished run have their values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dvr_ray.cli.options import AsJson, Run
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from dvr_ray.explaining import Explainer, Explanation
    from dvr_ray.reports.parts import Table

__all__ = ["explain"]

DEFAULT, MOST = 5, 100


def explain(
    run: Run,
    user: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--user", "-u", metavar="ID", help="Of this user; as in the log."),
    ] = None,
    item: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--item", "-i", metavar="ID", help="Of this item; with --user one row."),
    ] = None,
    top: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--top", min=0, max=MOST, help="So many of the highest; without either, 5."),
    ] = None,
    bottom: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--bottom", min=0, max=MOST, help="So many of the lowest; without either, 5."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--out", "-o", metavar="FILE.html",
            help="A page with the history of --user coloured by value; numbers go to FILE.json.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say why training interactions have their values: one of them, or the ends of the order.

    Example: dvr-ray explain runs/plays --user ann --item x --out ann.html

    The value as an exact sum of inputs and Harsanyi units, over training, its nearest neighbours,
    which users pay for it and which it moves; all in plain words first. The test part isn't used.
    """
    _check(user, item, top, bottom, out)
    from dvr_ray.explaining import Explainer, ValuedRun

    screen = Screen(as_json)
    one = user is not None and item is not None
    explainer = Explainer(ValuedRun.open(run), read_log=one)
    if one and explainer.no_log:
        screen.warn(f"who pays and who is moved can't be told: {explainer.no_log}")
    if user is not None and item is not None:
        chosen = [explainer.run.row_of(user, item)]
    else:
        chosen = _ends(explainer, user, item, top, bottom)
    found = [explainer.explain(row) for row in chosen]
    if one:
        _show_one(found[0], screen)
    else:
        _show_many(found, screen)
    result = {"folder": str(run), "explained": [each.digest() for each in found]}
    if out is not None and user is not None:
        from dvr_ray.explaining.content import write_history

        page = write_history(explainer, user, found, out, one=one)
        screen.result(f"page: {page}")
        result["page"] = str(page)
    screen.finish(result)


def _check(
    user: str | None, item: str | None, top: int | None, bottom: int | None, out: Path | None
) -> None:
    """Refuse options that don't go together."""
    one = user is not None and item is not None
    if one and (top is not None or bottom is not None):
        name, number = ("--top", top) if top is not None else ("--bottom", bottom)
        rule = f"lists rows, but --user and --item name one, got {number}"
        raise ConfigError(name, rule, f"take {name} or --item away")
    if top == 0 and bottom == 0:
        raise ConfigError("--top", "0 and --bottom 0 leave nothing, got both", "raise one of them")
    if out is not None and out.suffix != ".html":
        mend = "name a page FILE.html; its numbers go to FILE.json"
        raise ConfigError("--out", f"must end in .html, got {out}", mend)
    if out is not None and user is None:
        raise ConfigError("--out", "a page shows one user's history, got no --user", "add --user")


def _ends(
    explainer: Explainer, user: str | None, item: str | None, top: int | None, bottom: int | None
) -> list[int]:
    """Rows at either end of the order by value, of all rows or of one user's or item's."""
    if top is None and bottom is None:
        top = bottom = DEFAULT
    rows: np.ndarray = explainer.run.rows_of(user, item)
    lowest = explainer.run.by_value(rows)
    high = lowest[::-1][: top or 0]
    # Of a short history no row is told twice.
    low = lowest[: min(bottom or 0, len(lowest) - len(high))]
    return [*high.tolist(), *low[::-1].tolist()]


def _show_many(found: list[Explanation], screen: Screen) -> None:
    from dvr_ray.explaining import tables

    table = tables.ranked(found)
    screen.table("highest value first", table.columns[:-1], [row[:-1] for row in table.rows])
    for each in table.rows:
        screen.result(f"{each[0]} with {each[1]}: {each[-1]}")


def _show_one(found: Explanation, screen: Screen) -> None:
    from dvr_ray.explaining import tables
    from dvr_ray.explaining.sentences import sentences

    for line in sentences(found):
        screen.result(line)
    _table("inputs", tables.inputs(found), screen)
    _table("Harsanyi units (layer.unit) with the largest share", tables.units(found), screen)
    _table("who else is in the first three, the nearest first", tables.members(found), screen)
    if found.no_past:
        screen.result(f"value over training: {found.no_past}")
    else:
        _table("value over training", tables.past(found), screen)
    moved = tables.moved(found)
    if moved is not None:
        _table("users whose held-out loss it moves most, to first order", moved, screen)
    _table("rows with the nearest inputs", tables.near(found.alike, "distance"), screen)
    _table("the user's other items nearest to it", tables.near(found.history, "cosine"), screen)
    _table("check: values add up to the worth", tables.checks(found), screen)


def _table(title: str, table: Table, screen: Screen) -> None:
    if table.rows:
        screen.table(title, table.columns, table.rows)
