"""Whose metric a row moves: who pays for it while the valuator learns, and a first-order estimate.

**Who pays** is a rule (`dvr_ray.rewards.credit`), so it is exact: with user credit the row's own
user, by validation-reward items; a user without any never pays, and the row's value comes from rows
that look alike.

**Influence** is an estimate at the final model: what one small gradient step on the row's loss does
to the held-out loss of every user, ``-lr <grad l_row, grad L_v>``, to first order. ``l_row`` is the
row's mean BPR loss against all items that its user lacks in training, ``L_v`` the same over the
validation-selection items of user v; the test part is never used. Of a large log so many users are
looked at, and of a large catalogue so many items drawn, that 2e7 scores suffice: first the row's
own user, then those who hold its item out, then others at random. Positive: the loss falls.

The derivative is a central difference of two models, a step up and a step down the row's gradient,
in float64: it asks nothing of a backbone but scores. It is no account of training: thousands of
steps on other rows followed each step on this one.

Source of the idea: Pruthi et al., "Estimating training data influence by tracing gradient descent",
NeurIPS 2020 (TracIn), eq. 1, at one checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.data.interactions import Interactions, TrialData, entries_of
from dvr_ray.explaining.valued import ValuedRun
from dvr_ray.seeding import numpy_generator

__all__ = ["Influence", "Payers", "influence", "payers"]

SCORES = 20_000_000
ITEMS = 20_000
STEP = 1e-4
LISTED = 5


@dataclass(frozen=True)
class Payers:
    """Whose reward a row is paid by.

    Parameters
    ----------
    credit : str
        ``adapter.credit``.
    reward : str
        ``adapter.reward``.
    own_items : int
        Validation-reward items of the row's user.
    holders : int
        Other users who hold the row's item out there; with user+item credit they pay too.
    """

    credit: str
    reward: str
    own_items: int
    holders: int


@dataclass(frozen=True)
class Influence:
    """First-order effect of a row on held-out losses.

    Parameters
    ----------
    users : int
        How many were looked at.
    of : int
        How many have validation-selection items.
    better, worse : int
        Users whose loss falls, and rises.
    own : float or None
        Effect on the row's own user; None where they have no such items.
    mean : float
        Over the users looked at.
    most_better, most_worse : tuple of (int, float)
        Other users with the largest effects, and these.
    """

    users: int
    of: int
    better: int
    worse: int
    own: float | None
    mean: float
    most_better: tuple[tuple[int, float], ...]
    most_worse: tuple[tuple[int, float], ...]


def payers(run: ValuedRun, data: TrialData, row: int) -> Payers:
    """Say whose reward a training row is paid by; the arguments are those of `influence`."""
    user, item = run.train.users[row], run.train.items[row]
    holders = data.reward.users[data.reward.items == item]
    return Payers(
        run.config.adapter.credit,
        run.config.adapter.reward,
        int(data.reward.user_counts[user]),
        int((holders != user).sum()),
    )


def influence(run: ValuedRun, data: TrialData, row: int) -> Influence:
    """Estimate what a training row does to users' held-out losses.

    Parameters
    ----------
    run : ValuedRun
        The run.
    data : TrialData
        Its data; the validation-selection part is read.
    row : int
        A training row.

    Returns
    -------
    Influence
        To first order.
    """
    user, item = int(run.train.users[row]), int(run.train.items[row])
    items = _items(run, item)
    users = _users(run, data.selection, (user, item), len(items))
    effects = _effects(run, data.selection, (user, item), users, items)
    effects = effects * run.config.training.lr
    others = [(int(u), float(e)) for u, e in zip(users, effects, strict=True) if u != user]
    ranked = sorted(others, key=lambda each: each[1])
    own = effects[users == user]
    return Influence(
        users=len(users),
        of=int((data.selection.user_counts > 0).sum()),
        better=int((effects > 0).sum()),
        worse=int((effects < 0).sum()),
        own=float(own[0]) if len(own) else None,
        mean=float(effects.mean()) if len(effects) else 0.0,
        most_better=tuple(each for each in ranked[::-1][:LISTED] if each[1] > 0),
        most_worse=tuple(each for each in ranked[:LISTED] if each[1] < 0),
    )


def _items(run: ValuedRun, item: int) -> np.ndarray:
    """The catalogue, or of a large one a draw that holds the row's item."""
    number = run.train.num_items
    if number <= ITEMS:
        return np.arange(number)
    drawn = numpy_generator(run.config.seed, "explained items").choice(number, ITEMS, replace=False)
    return np.union1d(drawn, [item])


def _users(run: ValuedRun, held_out: Interactions, pair: tuple[int, int], items: int) -> np.ndarray:
    """As many users with held-out items as the scores allow; first the pair's user and holders."""
    user, item = pair
    able = np.flatnonzero(held_out.user_counts)
    wanted = int(SCORES / items / max(len(held_out) / max(len(able), 1), 1))
    if len(able) <= wanted:
        return able
    order = numpy_generator(run.config.seed, "explained users").permutation(able)
    first = (order != user).astype(int) + ~np.isin(order, held_out.users[held_out.items == item])
    return np.sort(order[np.argsort(first, kind="stable")][: max(wanted, 1)])


def _effects(
    run: ValuedRun,
    held_out: Interactions,
    pair: tuple[int, int],
    users: np.ndarray,
    items: np.ndarray,
) -> np.ndarray:
    """By how much the losses of users (u,) fall for a step of size 1, shape (u,)."""
    backbone = run.movable
    direction = _gradient(run.train, backbone, pair, items)
    size = _norm(direction)
    if size == 0:
        return np.zeros(len(users))
    start = [weights.detach().clone() for weights in backbone.parameters()]
    step = STEP * max(_norm(start), 1e-12) / size
    losses = []
    for sign in (step, -step):
        _put(backbone, [w + sign * g for w, g in zip(start, direction, strict=True)])
        losses.append(_losses(run.train, held_out, backbone, users, items))
    _put(backbone, start)
    return np.asarray((losses[0] - losses[1]) / (2 * step))


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.stack([tensor.square().sum() for tensor in tensors]).sum().sqrt())


def _put(backbone: Backbone, values: list[Tensor]) -> None:
    with torch.no_grad():
        for weights, value in zip(backbone.parameters(), values, strict=True):
            weights.copy_(value)


def _gradient(
    train: Interactions, backbone: Backbone, pair: tuple[int, int], items: np.ndarray
) -> list[Tensor]:
    """Gradient of the row's loss against all items that its user lacks in training."""
    user, item = pair
    lacking = items[~train.contains(np.full(len(items), user), items)]
    backbone.requires_grad_(True)
    out = backbone(torch.tensor([user]), torch.tensor([item]), torch.from_numpy(lacking)[None])
    loss = softplus(out.negative - out.positive[:, None]).mean()
    found = torch.autograd.grad(loss, list(backbone.parameters()), allow_unused=True)
    backbone.requires_grad_(False)
    return [
        torch.zeros_like(p) if g is None else (g.to_dense() if g.is_sparse else g).detach()
        for p, g in zip(backbone.parameters(), found, strict=True)
    ]


def _losses(
    train: Interactions,
    held_out: Interactions,
    backbone: Backbone,
    users: np.ndarray,
    items: np.ndarray,
) -> np.ndarray:
    """Mean loss of each user's held-out items against all items that they lack, shape (u,)."""
    tables = backbone.frozen()
    owners, entries = entries_of(held_out.user_offsets, users)
    total = np.zeros(len(users))
    step = max(SCORES // 10 // len(items), 1)
    for start in range(0, len(owners), step):
        part = slice(start, start + step)
        whose, wanted = users[owners[part]], held_out.items[entries[part]]
        rows = tables.users[torch.from_numpy(whose)]
        positive = backbone.match(rows, tables.items[torch.from_numpy(wanted)][:, None])
        scores = backbone.match(rows, tables.items[torch.from_numpy(items)][None])
        has = train.contains(np.broadcast_to(whose[:, None], scores.shape), items[None])
        has |= items[None] == wanted[:, None]
        counted = torch.from_numpy(~has)
        losses = (softplus(scores - positive) * counted).sum(1) / counted.sum(1).clamp_min(1)
        total += np.bincount(owners[part], losses.numpy(), len(users))
    return np.asarray(total / np.maximum(held_out.user_counts[users], 1))
