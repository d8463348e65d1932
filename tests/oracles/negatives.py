"""Literal versions of samplers and their losses, in loops; import nothing of the package.

Probabilities are those of one user's next negative, as a list over all items.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

__all__ = [
    "best_of",
    "by_cluster",
    "by_factor_ranks",
    "by_pool_ranks",
    "by_traits",
    "by_weight",
    "geometric",
    "importance_loss",
    "mean_cosines",
    "mean_loss",
    "standardised",
]


def by_weight(weights: Sequence[float], positives: set[int]) -> list[float]:
    """Items in proportion to their weights, positives drawn again."""
    left = [0.0 if j in positives else weights[j] for j in range(len(weights))]
    return [each / sum(left) for each in left]


def geometric(length: int, mean: float) -> list[float]:
    """Probability of ranks 0, 1, ... in proportion to exp(-(r + 1) / mean)."""
    raw = [math.exp(-(r + 1) / mean) for r in range(length)]
    return [each / sum(raw) for each in raw]


def by_factor_ranks(
    user: Sequence[float], items: Sequence[Sequence[float]], mean: float, positives: set[int]
) -> list[float]:
    """Rank and factor drawn, position in the factor's sorted list, positives drawn again.

    After eight attempts on positives, an item that is none, all alike.
    """
    size, factors = len(items), len(user)
    importance = []
    for f in range(factors):
        column = [items[j][f] for j in range(size)]
        average = sum(column) / size
        spread = math.sqrt(sum((x - average) ** 2 for x in column) / size)
        importance.append(abs(user[f]) * spread)
    found = [0.0] * size
    ranks = geometric(size, mean)
    for f in range(factors):
        ordered = sorted(range(size), key=lambda j: -items[j][f])
        for r in range(size):
            j = ordered[r] if user[f] > 0 else ordered[size - 1 - r]
            found[j] += importance[f] / sum(importance) * ranks[r]
    return _attempted(found, positives, [1.0] * size)


def by_pool_ranks(
    scores: Sequence[float], pool: int, mean: float, positives: set[int]
) -> list[float]:
    """Geometric on the rank in a pool of free items drawn with replacement, by enumeration.

    ``mean`` is the geometric's for the whole catalogue; in the pool it shrinks with its size.
    """
    free = [j for j in range(len(scores)) if j not in positives]
    ranks = geometric(pool, mean * pool / len(scores))
    found = [0.0] * len(scores)
    pools: list[list[int]] = [[]]
    for _ in range(pool):
        pools = [[*each, j] for each in pools for j in free]
    for each in pools:
        for r, j in enumerate(sorted(each, key=lambda j: -scores[j])):
            found[j] += ranks[r] / len(pools)
    return found


def _attempted(
    proposed: Sequence[float], positives: set[int], fallback: Sequence[float], attempts: int = 8
) -> list[float]:
    found = [0.0] * len(proposed)
    still = 1.0
    for _ in range(attempts):
        for j, odds in enumerate(proposed):
            if j not in positives:
                found[j] += still * odds
        still *= sum(proposed[j] for j in positives)
    rest = by_weight(fallback, positives)
    return [each + still * other for each, other in zip(found, rest, strict=True)]


def by_cluster(
    pulls: Sequence[float], cluster: Sequence[int], weights: Sequence[float], positives: set[int]
) -> list[float]:
    """A cluster by exp(pull) x the weight of its items that are no positives, then an item."""
    masses = [0.0] * len(pulls)
    for j, c in enumerate(cluster):
        if j not in positives:
            masses[c] += weights[j]
    raw = [math.exp(pull) * mass for pull, mass in zip(pulls, masses, strict=True)]
    return [
        0.0 if j in positives else raw[c] / sum(raw) * weights[j] / masses[c]
        for j, c in enumerate(cluster)
    ]


def best_of(scores: Sequence[float], count: int) -> list[int]:
    """Places of the highest scores, best first."""
    return sorted(range(len(scores)), key=lambda place: -scores[place])[:count]


def mean_loss(gaps: Sequence[float], usable: Sequence[bool]) -> float:
    """Mean of -ln sigmoid(gap) over the usable negatives; 0 where there is none."""
    each = [-math.log(1 / (1 + math.exp(-x))) for x, use in zip(gaps, usable, strict=True) if use]
    return sum(each) / len(each) if each else 0.0


def importance_loss(gaps: Sequence[float], odds: Sequence[float], usable: Sequence[bool]) -> float:
    """Sum of w_l times -ln sigmoid(x_l), w_l in proportion to exp(-x_l) / Q_l, over the usable."""
    raw = [math.exp(-x) / q if use else 0.0 for x, q, use in zip(gaps, odds, usable, strict=True)]
    if not any(usable):
        return 0.0
    losses = [-math.log(1 / (1 + math.exp(-x))) for x in gaps]
    return sum(w / sum(raw) * loss for w, loss in zip(raw, losses, strict=True))


def mean_cosines(lists: Sequence[set[int]], items: int, user: int) -> list[float]:
    """Mean cosine of each item with the user's items, items as sets of the users who have them."""
    fans = [{v for v, liked in enumerate(lists) if j in liked} for j in range(items)]
    found = []
    for j in range(items):
        cosines = [
            len(fans[j] & fans[i]) / math.sqrt(len(fans[j]) * len(fans[i])) if fans[j] else 0.0
            for i in lists[user]
        ]
        found.append(sum(cosines) / len(cosines))
    return found


def standardised(values: Sequence[float]) -> list[float]:
    """Minus the mean, over the standard deviation; zeros where all are alike."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((each - mean) ** 2 for each in values) / len(values))
    return [(each - mean) / spread if spread > 1e-6 else 0.0 for each in values]


def by_traits(
    traits: Sequence[Sequence[float]], theta: Sequence[float], free: Sequence[int], candidates: int
) -> list[float]:
    """One of M uniform candidates by softmax of theta times its standardised traits.

    Every list of M of the free items, with replacement, is enumerated.
    """
    odds = [0.0] * len(traits[0])
    for listed in itertools.product(free, repeat=candidates):
        columns = [standardised([column[j] for j in listed]) for column in traits]
        raw = [
            math.exp(sum(t * column[k] for t, column in zip(theta, columns, strict=True)))
            for k in range(candidates)
        ]
        for k, j in enumerate(listed):
            odds[j] += raw[k] / sum(raw) / len(free) ** candidates
    return odds
