"""An explanation in plain words: nothing but what its numbers say.

A value is a function of inputs that was learned from what random masks did to a reward. It says
how rows with such inputs moved that reward; it is no statement about the user or the item, and a
part of a sum is no cause. The wording keeps to that.
"""

from __future__ import annotations

from collections.abc import Iterator

from dvr_ray.explaining.explanation import Explanation
from dvr_ray.explaining.influence import Influence
from dvr_ray.explaining.valued import family
from dvr_ray.reports.summary import significant

__all__ = ["brief", "place", "sentences"]

REASONS = 3
LEAST = 0.05
"""Reasons below this share of the difference to the mean aren't told."""


def sentences(found: Explanation) -> list[str]:
    """Say in plain words what an explanation holds, a sentence each."""
    return [
        f"{_called('User', found.row.user, found.row.user_id)} with "
        f"{_called('item', found.row.item, found.row.item_id)} is {place(found)}: "
        f"{significant(found.row.value)}, where the mean is {significant(found.mean)} (sd "
        f"{significant(found.sd)}).",
        *(["It was planted."] if found.planted else []),
        *_reasons(found),
        *_history(found),
        *_paid(found),
        *_moved(found),
        f"The value says how training rows with such inputs moved {found.metric} of validation "
        "users; it doesn't say why, and nothing about this user or item alone.",
    ]


def brief(found: Explanation) -> str:
    """Say the most important in one line."""
    told = reasons(found)[:REASONS]
    listed = ", ".join(f"{text} {_signed(number)}" for text, number in told)
    return f"{place(found)}" + (f"; against the mean: {listed}" if listed else "")


def place(found: Explanation) -> str:
    """Say where the value stands among all training rows."""
    if found.sd == 0:
        return "valued like all other interactions"
    higher = 1 - found.lower - 1 / found.rows
    if higher > found.lower:
        return f"valued lower than {_share(higher)} of the {found.rows:,} training interactions"
    return f"valued higher than {_share(found.lower)} of the {found.rows:,} training interactions"


def reasons(found: Explanation) -> list[tuple[str, float]]:
    """Parts that make the value differ from the mean in the direction in which it does.

    Returns
    -------
    list of (str, float)
        The largest first: for every family of inputs what they say alone and what the units do
        whose gates ask for one of them most, and the units of which that can't be said.
    """
    gap = found.parts.value - found.parts.mean
    families: dict[str, dict[str, float]] = {}
    for name, part in _by_input(found).items():
        families.setdefault(family(name), {})[name] = part
    told = [(_with_level(found, name, own), sum(own.values())) for name, own in families.items()]
    same = [each for each in told if each[1] * gap > 0 and abs(each[1]) >= LEAST * abs(gap)]
    return sorted(same, key=lambda each: -abs(each[1]))


def _by_input(found: Explanation) -> dict[str, float]:
    """What makes the value differ from the mean, by input: alone, and by units that ask for it."""
    parts = found.parts
    told = dict(parts.inputs) or {"what it says alone": parts.alone_difference}
    for unit in parts.units:
        name = unit.about or "other Harsanyi units"
        told[name] = told.get(name, 0.0) + unit.difference
    return told


def _with_level(found: Explanation, name: str, own: dict[str, float]) -> str:
    """Name a family, with the level of that input of it which does most in its direction."""
    total = sum(own.values())
    label = max(own, key=lambda each: own[each] * total)
    level = found.levels.get(label)
    if level is None:
        return name
    column = label.removesuffix(f" ({name})")
    if level.lower >= 0.5:
        return f"{name} ({column} above that of {_share(level.lower)})"
    return f"{name} ({column} in the lowest {_share(level.lower, up=True)})"


def _reasons(found: Explanation) -> Iterator[str]:
    parts = found.parts
    told = reasons(found)[:REASONS]
    gap = parts.value - parts.mean
    units = sum(unit.difference for unit in parts.units)
    whole = (
        f"From the mean row of its batches it differs by {_signed(gap)}: "
        f"{_signed(parts.alone_difference)} by what it says alone, {_signed(units)} by the "
        "Harsanyi units that it is in or not"
    )
    if not told:
        yield f"{whole}; no family of inputs stands out."
        return
    listed = ", ".join(f"{text} {_signed(number)}" for text, number in told)
    yield f"{whole}. The largest parts in that direction are {listed}."


def _history(found: Explanation) -> Iterator[str]:
    if len(found.past) > 1:
        low, high = (f"{end(past.lower for past in found.past):.0%}" for end in (min, max))
        span = f"about {low}" if low == high else f"between {low} and {high}"
        yield (
            f"Over training, from epoch {found.past[0].epoch} to {found.past[-1].epoch}, {span} of "
            "the rows in its batches were valued lower."
        )


def _paid(found: Explanation) -> Iterator[str]:
    paid = found.payers
    if paid is None:
        return
    own = f"{paid.own_items} validation-reward {'item' if paid.own_items == 1 else 'items'}"
    if paid.credit == "user" and paid.own_items:
        yield f"It was paid by the reward of its own user (user credit), who has {own}."
    elif paid.credit == "user":
        yield (
            "Nobody paid it: with user credit its own user would, who has no validation-reward "
            "item; its value comes from rows with inputs like its own."
        )
    elif paid.credit == "user+item":
        yield (
            f"It was paid by its own user, who has {own}, and by {paid.holders} others who hold "
            "its item out (user+item credit)."
        )
    elif paid.credit == "scalar":
        yield "It was paid by all users together, like any other row (scalar credit)."
    else:
        yield "It was paid by how often its own item is recommended (item credit)."


def _moved(found: Explanation) -> Iterator[str]:
    moved = found.influence
    if moved is None:
        return
    yield (
        "To first order, one small step on it alone would lower the held-out loss of "
        f"{moved.better:,} of {_looked_at(moved)} and raise that of {moved.worse:,}; of its own "
        f"user it would {_own(moved)}."
    )


def _looked_at(moved: Influence) -> str:
    if moved.users == moved.of:
        return f"{moved.of:,} users"
    return f"{moved.users:,} users looked at ({moved.of:,} in all)"


def _own(moved: Influence) -> str:
    if moved.own is None:
        return "do nothing that could be measured, since they have no item held out"
    return "lower it" if moved.own > 0 else ("raise it" if moved.own < 0 else "change nothing")


def _called(kind: str, name: str, own: object) -> str:
    """Say what a bare id is the id of."""
    return f"{kind} {name}" if name == str(own) else name


def _signed(number: float) -> str:
    text = significant(number)
    return f"+{text}" if number > 0 else text


def _share(share: float, *, up: bool = False) -> str:
    """Write a share as a percentage that claims no more than is so."""
    percent = 100 * share
    if up:
        return f"{max(int(-(-percent // 1)), 1)}%"
    return f"{int(percent)}%" if percent < 99 else f"{int(percent * 10) / 10:g}%"
