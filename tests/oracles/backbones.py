"""Scores of recommenders written as dense loops in numpy; nothing of dvr_ray."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["ease", "lightgcn", "neumf"]

Pairs = Sequence[tuple[int, int]]


def lightgcn(
    pairs: Pairs, users: np.ndarray, items: np.ndarray, layers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average the layers of users (U, d) and items (I, d), one edge at a time."""
    degree_u = [sum(1 for u, _ in pairs if u == user) for user in range(len(users))]
    degree_i = [sum(1 for _, i in pairs if i == item) for item in range(len(items))]
    total_u, total_i = users.copy(), items.copy()
    for _ in range(layers):
        next_u, next_i = np.zeros_like(users), np.zeros_like(items)
        for u, i in pairs:
            norm = (degree_u[u] * degree_i[i]) ** 0.5
            next_u[u] += items[i] / norm
            next_i[i] += users[u] / norm
        users, items = next_u, next_i
        total_u += users
        total_i += items
    return total_u / (layers + 1), total_i / (layers + 1)


def neumf(
    user: Sequence[float],
    item: Sequence[float],
    factors: int,
    layers: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
    last: Sequence[float],
) -> float:
    """Logit of one pair: factors first in each row, then the tower's inputs."""
    products = [user[f] * item[f] for f in range(factors)]
    hidden = [*user[factors:], *item[factors:]]
    for layer, bias in zip(layers, biases, strict=True):
        units = []
        for unit in range(len(bias)):
            total = sum(hidden[place] * layer[place][unit] for place in range(len(hidden)))
            units.append(max(0.0, total + bias[unit]))
        hidden = units
    return sum(weight * value for weight, value in zip(last, products + hidden, strict=True))


def ease(pairs: Pairs, users: int, items: int, l2: float) -> np.ndarray:
    """Scores (U, I): for each item the ridge regression on all others, solved on its own."""
    known = np.zeros((users, items))
    for u, i in pairs:
        known[u, i] = 1
    scores = np.zeros((users, items))
    for item in range(items):
        others = [other for other in range(items) if other != item]
        inputs = known[:, others]
        gram = inputs.T @ inputs + l2 * np.eye(items - 1)
        scores[:, item] = inputs @ np.linalg.solve(gram, inputs.T @ known[:, item])
    return scores
