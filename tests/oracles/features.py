"""Features of interactions by definition: the row is taken out of the log, the rest by loops.

A log is a set of (user, item). Imports nothing of dvr_ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

__all__ = ["FEATURES"]

Pair = tuple[int, int]
Log = set[Pair]
TIE = 1e-7


def _items(log: Log, user: int) -> set[int]:
    return {item for owner, item in log if owner == user}


def _users(log: Log, item: int) -> set[int]:
    return {user for user, owned in log if owned == item}


def _set_cosine(left: set[int], right: set[int]) -> float:
    if not left or not right:
        return 0.0
    return len(left & right) / math.sqrt(len(left) * len(right))


def _item_cosine(log: Log, item: int, other: int) -> float:
    return _set_cosine(_users(log, item), _users(log, other))


def _user_cosine(log: Log, user: int, other: int) -> float:
    return _set_cosine(_items(log, user), _items(log, other))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def agreement(log: Log, users: int, items: int, row: Pair) -> list[float]:
    """Leave-one-out mean item cosine, mean of its top five, mean user cosine."""
    user, item = row
    rest = log - {row}
    by_item = [_item_cosine(rest, item, other) for other in _items(rest, user)]
    by_user = [_user_cosine(rest, user, other) for other in _users(rest, item)]
    return [_mean(by_item), _mean(sorted(by_item, reverse=True)[:5]), _mean(by_user)]


def _score(log: Log, user: int, item: int) -> float:
    return sum(_item_cosine(log, item, other) for other in _items(log, user) - {item})


def _percentile(value: float, others: list[float]) -> float:
    if not others:
        return 0.5
    below = sum(other < value - TIE for other in others)
    equal = sum(abs(other - value) <= TIE for other in others)
    return (below + equal / 2) / len(others)


def neighbourhood(log: Log, users: int, items: int, row: Pair) -> list[float]:
    """Percentile of the left-out score among the scores, in the whole log, of absent pairs."""
    user, item = row
    left_out = _score(log - {row}, user, item)
    in_user = [_score(log, user, j) for j in range(items) if (user, j) not in log]
    in_item = [_score(log, v, item) for v in range(users) if (v, item) not in log]
    return [_percentile(left_out, in_user), _percentile(left_out, in_item)]


def overlap(log: Log, users: int, items: int, row: Pair) -> list[float]:
    """Largest cosine of the user's list with another's, largest co-occurrence share of the item."""
    user, item = row
    own = _users(log, item)
    nearest = max((_user_cosine(log, user, v) for v in range(users) if v != user), default=0.0)
    shares = (len(own & _users(log, j)) / len(own) for j in range(items) if j != item)
    return [nearest, max(shares, default=0.0)]


def coherence(log: Log, users: int, items: int, row: Pair) -> list[float]:
    """Mean pairwise item cosine in the user's list, mean pairwise user cosine of the item."""
    mine, theirs = _items(log, row[0]), _users(log, row[1])
    by_item = (_item_cosine(log, i, j) for i in mine for j in mine if i < j)
    by_user = (_user_cosine(log, u, v) for u in theirs for v in theirs if u < v)
    return [_mean(by_item), _mean(by_user)]


def counts(log: Log, users: int, items: int, row: Pair) -> list[float]:
    """Logs of the lengths of the user's list and of the item's."""
    return [math.log(len(_items(log, row[0]))), math.log(len(_users(log, row[1])))]


FEATURES: dict[str, Callable[[Log, int, int, Pair], list[float]]] = {
    "agreement": agreement,
    "neighbourhood": neighbourhood,
    "overlap": overlap,
    "coherence": coherence,
    "counts": counts,
}
