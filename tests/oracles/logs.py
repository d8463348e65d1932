"""Readers, counts and rankings written with loops; they import nothing of dvr_ray."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

Pair = tuple[int, int]


def read_lists(path: Path) -> set[Pair]:
    """``user item item ...`` per line."""
    pairs = set()
    for line in path.read_text().split("\n"):
        words = line.split()
        for word in words[1:]:
            pairs.add((int(words[0]), int(word)))
    return pairs


def read_plays(path: Path) -> set[Pair]:
    """``user<TAB>item<TAB>plays`` per line."""
    pairs = set()
    for line in path.read_text().split("\n"):
        if line.strip():
            user, item, plays = line.split("\t")
            float(plays)
            pairs.add((int(user), int(item)))
    return pairs


def gini(counts: Iterable[int]) -> float:
    """Gini index as the mean absolute difference of all pairs, over twice the mean."""
    values = list(counts)
    difference = sum(abs(a - b) for a in values for b in values)
    return difference / (2 * len(values) * sum(values))


def ndcg(ranked: Iterable[int], relevant: set[int], cutoff: int) -> float:
    """NDCG of one list with binary relevance."""
    gained = sum(
        1 / math.log2(place + 2)
        for place, item in enumerate(list(ranked)[:cutoff])
        if item in relevant
    )
    return gained / sum(1 / math.log2(place + 2) for place in range(min(cutoff, len(relevant))))


def popularity_and_neighbours(
    train: set[Pair], held: set[Pair], users: Iterable[int], cutoff: int
) -> tuple[float, float]:
    """Mean NDCG of ranking by popularity, and by summed cosine to the user's items."""
    lists: dict[int, set[int]] = {}
    for user, item in train:
        lists.setdefault(user, set()).add(item)
    count = Counter(item for _, item in train)
    together: dict[int, Counter[int]] = {item: Counter() for item in count}
    for items in lists.values():
        for item in items:
            together[item].update(items)
    near = {
        item: {j: c / math.sqrt(count[item] * count[j]) for j, c in together[item].items()}
        for item in count
    }
    by_popularity, by_neighbours = [], []
    for user in users:
        relevant = {item for owner, item in held if owner == user}
        own = lists.get(user, set())
        if not relevant:
            continue
        scores: Counter[int] = Counter()
        for item in own:
            for other, weight in near[item].items():
                scores[other] += weight  # type: ignore[assignment]
        others = [item for item in count if item not in own]
        by_popularity.append(ndcg(sorted(others, key=lambda i: -count[i]), relevant, cutoff))
        ranked = sorted(others, key=lambda i: -scores[i])
        by_neighbours.append(ndcg(ranked, relevant, cutoff))
    return sum(by_popularity) / len(by_popularity), sum(by_neighbours) / len(by_neighbours)
