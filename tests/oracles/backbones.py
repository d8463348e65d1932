"""Scores of recommenders written as dense loops in numpy; nothing of dvr_ray."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["cosine_links", "ease", "lightgcn", "mgcf", "neumf"]

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


def cosine_links(rows: Sequence[set[int]], degree: float) -> set[tuple[int, int]]:
    """Pairs a < b whose cosine reaches the threshold nearest to the wanted number of pairs."""
    cosines = {}
    for a in range(len(rows)):
        for b in range(a + 1, len(rows)):
            if common := len(rows[a] & rows[b]):
                cosines[a, b] = common / (len(rows[a]) * len(rows[b])) ** 0.5
    wanted = round(degree * len(rows) / 2)
    choices = [{p for p, c in cosines.items() if c >= t - 1e-12} for t in set(cosines.values())]
    return min(choices, key=lambda links: (abs(len(links) - wanted), -len(links)), default=set())


def mgcf(
    pairs: Pairs,
    alike: Sequence[set[tuple[int, int]]],
    embeddings: Sequence[np.ndarray],
    weights: Sequence[dict[str, list[np.ndarray]]],
) -> list[dict[str, np.ndarray]]:
    """Parts of the representations of users and items, one node at a time.

    ``weights`` holds, for users and items, the lists Q and W by layer, and M and S of one each.
    """
    lists = [
        [[i for u, i in pairs if u == user] for user in range(len(embeddings[0]))],
        [[u for u, i in pairs if i == item] for item in range(len(embeddings[1]))],
    ]
    hidden = list(embeddings)
    for layer in range(len(weights[0]["Q"])):
        following = []
        for side in (0, 1):
            rows = []
            for node, neighbours in enumerate(lists[side]):
                total = np.zeros(hidden[1 - side].shape[1])
                for other in neighbours:
                    total += hidden[1 - side][other] / len(neighbours)
                message = np.tanh(total @ weights[side]["Q"][layer])
                joined = np.concatenate([hidden[side][node], message])
                rows.append(np.tanh(joined @ weights[side]["W"][layer]))
            following.append(np.stack(rows))
        hidden = following
    found = []
    for side in (0, 1):
        own = embeddings[side]
        summed = np.zeros_like(own)
        for a, b in alike[side]:
            summed[a] += own[b]
            summed[b] += own[a]
        found.append(
            {
                "bipartite": hidden[side],
                "multigraph": np.tanh(summed @ weights[side]["M"][0]),
                "skip": np.tanh(own @ weights[side]["S"][0]),
            }
        )
    return found
