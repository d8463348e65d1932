"""Explanations as tables, for the screen and for the page alike."""

from __future__ import annotations

from collections.abc import Sequence

from dvr_ray.explaining.explanation import UNITS, Explanation, Row
from dvr_ray.explaining.sentences import brief
from dvr_ray.explaining.taking_apart import Unit
from dvr_ray.reports.parts import Table
from dvr_ray.reports.summary import short, significant

__all__ = [
    "checks",
    "inputs",
    "members",
    "moved",
    "near",
    "past",
    "ranked",
    "units",
]

FEW = 3
WHOLE = 0.995
"""A gate that is so much one input is told as if it were all."""


def inputs(found: Explanation) -> Table:
    """Every input: its level, and what it says alone."""
    told = found.parts.inputs
    rows = [
        (name, _percent(level.lower), significant(told[name]) if name in told else "")
        for name, level in found.levels.items()
    ]
    rows += [(name, "", significant(told[name])) for name in told if name not in found.levels]
    return Table(("input", "rows that have less", "against the mean row"), tuple(rows))


def units(found: Explanation) -> Table:
    """The units that add most to the value: what they ask for, and how many are in them."""
    rows = tuple(
        (
            _unit(unit), _asks(unit), significant(unit.dividend),
            f"{unit.size:,.0f} of {unit.batch:,.0f}", f"{unit.same_user:,}", f"{unit.same_item:,}",
            significant(unit.share),
        )
        for unit in _listed(found)
    )  # fmt: skip
    columns = ("unit", "members have", "dividend", "rows in it", "same user", "same item", "share")
    return Table(columns, rows, left=2)


def members(found: Explanation) -> Table:
    """Who else is in the first three of these units: the rows with the nearest inputs."""
    rows = tuple(
        (_unit(unit), each.user, each.item, significant(each.value))
        for unit in _listed(found)[:FEW]
        for each in (found.examples[row] for row in unit.examples)
    )
    return Table(("unit", "user", "item", "value"), rows, left=3)


def checks(found: Explanation) -> Table:
    """Whether values add up to the worth, batch by batch."""
    rows = tuple(
        (
            f"{number} of {len(found.parts.checks)}", f"{each.rows:,}",
            significant(each.values, 6), significant(each.worth - each.empty, 6),
            f"{each.error:.1e}", "yes" if each.holds else "NO",
        )
        for number, each in enumerate(found.parts.checks, start=1)
    )  # fmt: skip
    columns = ("batch", "rows", "sum of values", "worth minus empty", "difference", "holds")
    return Table(columns, rows)


def past(found: Explanation) -> Table:
    """Values over training."""
    rows = tuple(
        (str(each.epoch), significant(each.value), short(each.probability), _percent(each.lower))
        for each in found.past
    )
    return Table(("epoch", "value", "probability", "rows valued lower"), rows, left=0)


def moved(found: Explanation) -> Table | None:
    """Users whose held-out loss the row moves most; None where that isn't known."""
    told = found.influence
    if told is None:
        return None
    rows = [(found.row.user, "its own", f"{told.own:+.2e}")] if told.own is not None else []
    rows += [
        (found.influenced[user], "better" if effect > 0 else "worse", f"{effect:+.2e}")
        for user, effect in (*told.most_better, *told.most_worse)
    ]
    return Table(("user", "", "fall of the loss"), tuple(rows), left=2)


def near(found: Sequence[tuple[Row, float]], what: str) -> Table:
    """Rows that lie near, with their values; ``what`` is how near."""
    rows = tuple(
        (each.user, each.item, significant(each.value), significant(number))
        for each, number in found
    )
    return Table(("user", "item", "value", what), rows, left=2)


def ranked(found: Sequence[Explanation]) -> Table:
    """Several rows with their values, each with the most important in a line."""
    rows = tuple(
        (each.row.user, each.row.item, significant(each.row.value), short(each.probability),
         _percent(each.lower), brief(each))
        for each in found
    )  # fmt: skip
    columns = ("user", "item", "value", "probability", "rows valued lower", "")
    return Table(columns, rows, left=2)


def _listed(found: Explanation) -> list[Unit]:
    return [unit for unit in found.parts.units[:UNITS] if unit.inside]


def _unit(unit: Unit) -> str:
    return f"{unit.layer}.{unit.number}"


def _asks(unit: Unit) -> str:
    if not unit.asks:
        return "encodings beyond a threshold"
    return unit.asks if unit.weight > WHOLE else f"{unit.asks}, {unit.weight:.0%} of the gate"


def _percent(share: float) -> str:
    return f"{share:.1%}"
