"""Variance of an AUC whose rows share users and items, with loops; nothing of dvr_ray."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["influences", "two_way"]


def influences(scores: Sequence[float], real: Sequence[bool]) -> list[float]:
    """How far every row pulls the AUC from its mean, over the number of rows of its kind."""
    rows = range(len(scores))
    pairs = {
        (i, j): 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
        for i in rows
        for j in rows
        if real[i] and not real[j]
    }
    auc = sum(pairs.values()) / len(pairs)
    found = []
    for row in rows:
        own = [won for (i, j), won in pairs.items() if row in (i, j)]
        alike = sum(each == real[row] for each in real)
        found.append((sum(own) / len(own) - auc) / alike)
    return found


def two_way(pulls: Sequence[float], users: Sequence[int], items: Sequence[int]) -> float:
    """Squared sums within users, and within items, without the squares counted twice."""
    alone = sum(pull * pull for pull in pulls)
    by_kind = []
    for owners in (users, items):
        total = 0.0
        for owner in set(owners):
            total += sum(p for p, o in zip(pulls, owners, strict=True) if o == owner) ** 2
        by_kind.append(total)
    return max(sum(by_kind) - alone, *by_kind)
