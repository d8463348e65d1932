"""Metrics of top-K lists, written with loops from their definitions; nothing of dvr_ray.

A case is the lists (cut to K), the relevant sets, and what a metric may know. Only users with
relevant items are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from oracles.ranking import ndcg, recall

__all__ = ["METRICS", "Case", "without", "without_item"]


@dataclass(frozen=True)
class Case:
    lists: Sequence[Sequence[int]]
    relevant: Sequence[set[int]]
    cutoff: int
    items: int
    users: int
    categories: Sequence[set[str]]
    popularity: Sequence[int]
    groups: Sequence[str]
    embeddings: Sequence[Sequence[float]]


def without(case: Case, left_out: int) -> Case:
    """The case without one user's list."""
    keep = [u for u in range(len(case.lists)) if u != left_out]
    return Case(
        [case.lists[u] for u in keep], [case.relevant[u] for u in keep], case.cutoff, case.items,
        case.users, case.categories, case.popularity, [case.groups[u] for u in keep],
        case.embeddings,
    )  # fmt: skip


def without_item(case: Case, left_out: int) -> Case:
    """The case with an item out of every list; a group that is shown nothing else is unknown."""
    lists = [[item for item in shown if item != left_out] for shown in case.lists]
    shown_any = {own for shown, own in zip(lists, case.groups, strict=True) if shown}
    return Case(
        lists, case.relevant, case.cutoff, case.items, case.users, case.categories,
        case.popularity, [own if own in shown_any else "unknown" for own in case.groups],
        case.embeddings,
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else math.nan


def _precision(shown: Sequence[int], wanted: set[int], case: Case) -> float:
    return sum(1 for item in shown if item in wanted) / case.cutoff


def _hit_rate(shown: Sequence[int], wanted: set[int], case: Case) -> float:
    return 1.0 if any(item in wanted for item in shown) else 0.0


def _mrr(shown: Sequence[int], wanted: set[int], case: Case) -> float:
    for place, item in enumerate(shown):
        if item in wanted:
            return 1 / (place + 1)
    return 0.0


def _map(shown: Sequence[int], wanted: set[int], case: Case) -> float:
    total, found = 0.0, 0
    for place, item in enumerate(shown):
        if item in wanted:
            found += 1
            total += found / (place + 1)
    return total / min(len(wanted), case.cutoff)


def _cc_rel(shown: Sequence[int], wanted: set[int], case: Case) -> float | None:
    asked = set().union(*(case.categories[item] for item in wanted))
    got = set().union(*(case.categories[item] for item in shown))
    return len(asked & got) / len(asked) if asked else None


def _cc_all(shown: Sequence[int], wanted: set[int], case: Case) -> float:
    got = set().union(*(case.categories[item] for item in shown))
    return len(got) / len(set().union(*case.categories))


def _ild_category(shown: Sequence[int], wanted: set[int], case: Case) -> float | None:
    sets = [case.categories[item] for item in shown if case.categories[item]]
    return _mean_distance(
        [len(a & b) / math.sqrt(len(a) * len(b)) for a, b in combinations(sets, 2)]
    )


def _ild_embedding(shown: Sequence[int], wanted: set[int], case: Case) -> float | None:
    cosines = []
    for i, j in combinations(shown, 2):
        a, b = case.embeddings[i], case.embeddings[j]
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        cosines.append(dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b)))
    return _mean_distance(cosines)


def _mean_distance(cosines: Sequence[float]) -> float | None:
    return 1 - sum(cosines) / len(cosines) if cosines else None


def _novelty(shown: Sequence[int], wanted: set[int], case: Case) -> float:
    bits = [-math.log2(max(case.popularity[item], 1) / case.users) for item in shown]
    return sum(bits) / len(bits)


def _per_user(
    measure: Callable[[Sequence[int], set[int], Case], float | None],
) -> Callable[[Case], float]:
    return lambda case: _mean(
        [measure(s, w, case) for s, w in zip(case.lists, case.relevant, strict=True)]
    )


def _times(case: Case, group: str | None = None) -> list[int]:
    times = [0] * case.items
    for shown, own in zip(case.lists, case.groups, strict=True):
        for item in shown:
            times[item] += group is None or own == group
    return times


def _gini(case: Case) -> float:
    times = sorted(_times(case))
    n, total = len(times), sum(times)
    if not total:
        return 0.0
    return sum((2 * j - n - 1) * c for j, c in enumerate(times, start=1)) / (n * total)


def _coverage(case: Case) -> float:
    return sum(1 for count in _times(case) if count) / case.items


def _members(case: Case) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for user, group in enumerate(case.groups):
        if group != "unknown":
            found.setdefault(group, []).append(user)
    return found


def _group_means(case: Case, measure: Callable[..., float]) -> list[float]:
    return [
        sum(measure(case.lists[u], case.relevant[u], case.cutoff) for u in members) / len(members)
        for members in _members(case).values()
    ]


def _eo(case: Case) -> float:
    means = _group_means(case, recall)
    return max(means) - min(means) if means else 0.0


def _usermad(case: Case) -> float:
    gaps = [abs(a - b) for a, b in combinations(_group_means(case, ndcg), 2)]
    return sum(gaps) / len(gaps) if gaps else 0.0


def _sp(case: Case) -> float:
    members, gaps = _members(case), []
    for one, other in combinations(members, 2):
        a, b = _times(case, one), _times(case, other)
        ratios = []
        for item in range(case.items):
            p, q = a[item] / len(members[one]), b[item] / len(members[other])
            if p + q > 0:
                ratios.append(abs(p - q) / (p + q))
        gaps.append(sum(ratios) / len(ratios))
    return sum(gaps) / len(gaps) if gaps else 0.0


def _tv(case: Case) -> float:
    gaps = []
    for one, other in combinations(_members(case), 2):
        a, b = _times(case, one), _times(case, other)
        gaps.append(sum(abs(a[i] / sum(a) - b[i] / sum(b)) for i in range(case.items)) / 2)
    return sum(gaps) / len(gaps) if gaps else 0.0


METRICS: dict[str, Callable[[Case], float]] = {
    "recall": _per_user(lambda shown, wanted, case: recall(shown, wanted, case.cutoff)),
    "ndcg": _per_user(lambda shown, wanted, case: ndcg(shown, wanted, case.cutoff)),
    "precision": _per_user(_precision),
    "hit-rate": _per_user(_hit_rate),
    "mrr": _per_user(_mrr),
    "map": _per_user(_map),
    "cc-rel": _per_user(_cc_rel),
    "cc-all": _per_user(_cc_all),
    "ild-category": _per_user(_ild_category),
    "ild-embedding": _per_user(_ild_embedding),
    "novelty": _per_user(_novelty),
    "gini": _gini,
    "item-coverage": _coverage,
    "eo": _eo,
    "usermad": _usermad,
    "sp": _sp,
    "tv": _tv,
}
