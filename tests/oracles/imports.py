"""Tables, cores and last rows read with loops; they import nothing of dvr_ray."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

Row = tuple[str, str, float, float]


def read_csv(path: Path) -> list[Row]:
    """``user,item,rating,time`` rows in order, ids as text."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            (row["user"], row["item"], float(row["rating"]), float(row["time"]))
            for row in csv.DictReader(file)
        ]


def kept(rows: list[Row], least: float, core: int) -> dict[tuple[str, str], tuple[float, int]]:
    """Rows rated high enough, each pair once with its earliest time and place, in the core."""
    pairs: dict[tuple[str, str], tuple[float, int]] = {}
    for place, (user, item, rating, time) in enumerate(rows):
        if rating >= least:
            pairs[user, item] = min(pairs.get((user, item), (time, place)), (time, place))
    inside = in_core(set(pairs), core)
    return {pair: when for pair, when in pairs.items() if pair in inside}


def in_core(pairs: set[tuple[str, str]], core: int) -> set[tuple[str, str]]:
    """Take away one user or item at a time."""
    pairs = set(pairs)
    while True:
        users = Counter(user for user, _ in pairs)
        items = Counter(item for _, item in pairs)
        weak = next((("u", u) for u, n in users.items() if n < core), None) or next(
            (("i", i) for i, n in items.items() if n < core), None
        )
        if weak is None:
            return pairs
        kind, name = weak
        pairs = {(u, i) for u, i in pairs if (u if kind == "u" else i) != name}


def last_rows(
    rows: dict[tuple[str, str], tuple[float, int]], last: int, parts: int
) -> dict[tuple[str, str], int]:
    """Part of each row: 1, 2, ... are held out, the highest the latest; the first row trains."""
    number = {}
    for owner in {user for user, _ in rows}:
        own = sorted((when, pair) for pair, when in rows.items() if pair[0] == owner)
        for age, (_, pair) in enumerate(reversed(own)):
            first = age == len(own) - 1
            number[pair] = 0 if first else max(parts - age // last, 0)
    return number
