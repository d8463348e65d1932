"""Triplet importance learning written with loops over triplets, derivatives by hand.

Theta is a list of two arrays, users (U, d) and items (I, d); Phi a dict of ``hidden`` (h, 2d),
``bias`` (h,) and ``out`` (h,). ``context`` gives a triplet's constants: for "ui" the users' uni
(U, d), for "mi" the items' centres (I, d).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def softplus(x: float) -> float:
    return float(np.log1p(np.exp(x)))


def state(form: str, u: Array, i: Array, js: list[Array], own: Array, others: list[Array]) -> Array:
    """Own is uni or the positive's centre; others are the negatives' centres."""
    if form == "ui":
        rest = [u * j + own * j for j in js]
        return np.concatenate([u * i + own * i, sum(rest) / len(js)])
    rest = [u * j + u * c + j * c for j, c in zip(js, others, strict=True)]
    return np.concatenate([u * i + u * own + i * own, sum(rest) / len(js)])


def weight(phi: dict[str, Array], x: Array) -> tuple[float, Array]:
    """The weight of a state and its derivative."""
    hidden = phi["hidden"] @ x + phi["bias"]
    raw = float(phi["out"] @ np.maximum(hidden, 0))
    slope = (phi["out"] * (hidden > 0)) @ phi["hidden"]
    return softplus(raw), sigmoid(raw) * slope


def row_loss(u: Array, i: Array, js: list[Array]) -> float:
    """Mean BPR loss over the negatives."""
    return sum(softplus(-(u @ i - u @ j)) for j in js) / len(js)


def inner(
    form: str, theta: list[Array], phi: dict[str, Array], batch: Any, context: Array
) -> tuple[list[float], list[Array]]:
    """Weights, and d/dtheta of sum w l, the weights' own dependence included."""
    users, items = theta
    gradients = [np.zeros_like(users), np.zeros_like(items)]
    weights = []
    for user, pos, negs in batch:
        u, i, js = users[user], items[pos], [items[n] for n in negs]
        own = context[user] if form == "ui" else context[pos]
        others = [context[n] for n in negs] if form == "mi" else []
        w, slope = weight(phi, state(form, u, i, js, own, others))
        weights.append(w)
        loss, d = row_loss(u, i, js), len(u)
        first, second = slope[:d], slope[d:] / len(js)
        gradients[0][user] += loss * first * (i + (own if form == "mi" else 0))
        gradients[1][pos] += loss * first * (u + own)
        for place, n in enumerate(negs):
            j = js[place]
            pull = -sigmoid(-(u @ i - u @ j)) / len(js)
            with_centre = others[place] if form == "mi" else 0
            beside = others[place] if form == "mi" else own
            gradients[0][user] += w * pull * (i - j) + loss * second * (j + with_centre)
            gradients[1][pos] += w * pull * u
            gradients[1][n] += -w * pull * u + loss * second * (u + beside)
    return weights, gradients


def outer_loss(
    form: str,
    theta: list[Array],
    phi: dict[str, Array],
    batch: Any,
    context: Array,
    alpha: float,
    targets: list[int | None],
) -> float:
    """Unweighted loss after one step on sum w l; a target of None doesn't count."""
    _, gradients = inner(form, theta, phi, batch, context)
    users, items = (table - alpha * g for table, g in zip(theta, gradients, strict=True))
    total = 0.0
    for (user, _, negs), target in zip(batch, targets, strict=True):
        if target is not None:
            total += row_loss(users[user], items[target], [items[n] for n in negs])
    return total


def outer_gradient(
    phi: dict[str, Array], step: float, *arguments: Any, **named: Any
) -> dict[str, Array]:
    """Central differences of `outer_loss` in every entry of Phi."""
    form, theta, batch, context, alpha, targets = arguments
    found = {name: np.zeros_like(value) for name, value in phi.items()}
    for name, value in phi.items():
        for place in np.ndindex(value.shape):
            sides = []
            for sign in (1, -1):
                moved = {key: array.copy() for key, array in phi.items()}
                moved[name][place] += sign * step
                sides.append(outer_loss(form, theta, moved, batch, context, alpha, targets))
            found[name][place] = (sides[0] - sides[1]) / (2 * step)
    return found
