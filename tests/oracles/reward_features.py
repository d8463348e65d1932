"""Features that speak of rewards and times, by definition: one row at a time, by loops.

A log is a list of (user, item). Imports nothing of dvr_ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["FEATURES", "Facts"]


@dataclass(frozen=True)
class Facts:
    """A log and what is known of it; "unknown" is a group that nobody knows."""

    rows: Sequence[tuple[int, int]]
    categories: Sequence[Sequence[str]]
    genders: Sequence[str]
    ages: Sequence[str]
    times: Sequence[float]


def popularity(facts: Facts, row: int) -> list[float]:
    """Log of the length of the item's list."""
    return [math.log(sum(item == facts.rows[row][1] for _, item in facts.rows))]


def _novelty(facts: Facts, row: int) -> float:
    user, item = facts.rows[row]
    others = [i for r, (u, i) in enumerate(facts.rows) if u == user and r != row]
    parts = []
    for kind in facts.categories[item]:
        common = sum(kind in facts.categories[i] for _, i in facts.rows) / len(facts.rows)
        same = sum(kind in facts.categories[i] for i in others)
        parts.append((same + common) / (len(others) + 1))
    return 1 - sum(parts) / len(parts)


def genre_novelty(facts: Facts, row: int) -> list[float]:
    """1 - smoothed share of the user's other rows with the item's categories, by category."""
    able = [r for r, (_, item) in enumerate(facts.rows) if facts.categories[item]]
    if row in able:
        return [_novelty(facts, row)]
    return [sum(_novelty(facts, r) for r in able) / len(able) if able else 0.0]


def _skew(facts: Facts, groups: Sequence[str], row: int) -> float:
    user, item = facts.rows[row]
    if groups[user] == "unknown":
        return 0.0
    known = [groups[u] for u, _ in facts.rows if groups[u] != "unknown"]
    share = known.count(groups[user]) / len(known)
    others = [
        groups[u]
        for r, (u, i) in enumerate(facts.rows)
        if i == item and r != row and groups[u] != "unknown"
    ]
    mean = (others.count(groups[user]) + 5 * share) / (len(others) + 5)
    return math.log(mean / share)


def skew(facts: Facts, row: int) -> list[float]:
    """Log of the smoothed share of the user's group among the item's others, over its share."""
    return [_skew(facts, facts.genders, row), _skew(facts, facts.ages, row)]


FEATURES: dict[str, Callable[[Facts, int], list[float]]] = {
    "popularity": popularity,
    "genre-novelty": genre_novelty,
    "skew": skew,
}
