"""Ranking metrics and areas under curves, one user and one pair at a time; nothing of dvr_ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from oracles.logs import ndcg

__all__ = ["auc_by_pairs", "mean_over_users", "ndcg", "recall"]


def recall(ranked: Iterable[int], relevant: set[int], cutoff: int) -> float:
    """Share of the relevant items among the first of a list."""
    found = 0
    for place, item in enumerate(ranked):
        if place < cutoff and item in relevant:
            found += 1
    return found / len(relevant)


def mean_over_users(
    measure: Callable[[Iterable[int], set[int], int], float],
    ranked: Sequence[Sequence[int]],
    relevant: Sequence[Sequence[int]],
    cutoff: int,
) -> float:
    """Mean over the users with relevant items."""
    values = [
        measure(items, set(wanted), cutoff)
        for items, wanted in zip(ranked, relevant, strict=True)
        if len(wanted)
    ]
    return sum(values) / len(values)


def auc_by_pairs(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Share of (positive, negative) pairs in the right order, ties counting one half."""
    won, pairs = 0.0, 0
    for high, is_high in zip(scores, positive, strict=True):
        for low, is_low in zip(scores, positive, strict=True):
            if is_high and not is_low:
                won += 1.0 if high > low else 0.5 if high == low else 0.0
                pairs += 1
    return won / pairs
