"""The ceiling: scores of a selector that was trained with the labels.

No valuator is told which rows were planted; this one is. For each of five folds of users a
perceptron learns from three others to tell real rows from planted ones by the valuator's inputs,
stops where its log-loss on a fourth is least, and scores the rows of the fold itself, which it
never saw: whoever learns from the same inputs without labels can hardly do better. Folds hold
whole users, so it can't recognise a user. It can recognise an item by its features, as a valuator
can: an item that was pushed in other folds is known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dvr_ray.errors import DataError
from dvr_ray.seeding import generator

__all__ = ["supervised_scores"]

FOLDS = 5
HIDDEN = 32
LR, DECAY = 3e-3, 0.3
"""Of AdamW. On Last.FM with uniform noise, decays from .01 to 3, 32 or 64 hidden units, and boosted
trees in their place all end within .002 of the same AUC."""
BATCH = 512
ROUNDS, PATIENCE, LEAST_STEPS = 30, 5, 20
"""A round is about one epoch; training stops after so many in which no model has improved."""
MOST_ROWS = 300_000
"""At most so many rows are learned from; all are scored."""
BLOCK = 1 << 16
"""Rows scored at once."""


def supervised_scores(inputs: Tensor, planted: Tensor, users: Tensor, *, seed: int) -> Tensor:
    """Score rows by perceptrons that learned the labels of other users' rows.

    Parameters
    ----------
    inputs : Tensor, shape (n, c)
        Of mean about 0 and variance about 1.
    planted : Tensor of bool, shape (n,)
        The labels.
    users : Tensor of int, shape (n,)
        Rows of one user are scored by the same model, which saw none of them.
    seed : int
        Root seed of folds, first weights and batches.

    Returns
    -------
    Tensor, shape (n,), float64
        Log-odds of being real.

    Raises
    ------
    DataError
        If there are fewer users than folds.
    """
    folds = _folds(planted, users, seed)
    rows = torch.randperm(len(folds), generator=generator(seed, "supervised rows"))[:MOST_ROWS]
    rows = rows[folds[rows].argsort(stable=True)]
    inputs = inputs.float()
    sizes = folds[rows].bincount(minlength=FOLDS)
    models = _learn(inputs[rows], (~planted[rows]).float(), sizes, seed)
    scores = torch.empty(len(folds), dtype=torch.float64)
    for fold in range(FOLDS):
        for block in torch.split((folds == fold).nonzero()[:, 0], BLOCK):
            scores[block] = _log_odds(_of(models, fold), inputs[block][None])[0].double()
    return scores


def _folds(planted: Tensor, users: Tensor, seed: int) -> Tensor:
    """The fold of every row; each fold gets as many users with many planted rows as the others.

    Else the share of planted rows in a fold would tell, with the wrong sign, what it is elsewhere.
    """
    _, user = torch.unique(users, return_inverse=True)
    count = int(user.max()) + 1
    if count < FOLDS:
        rule = f"supervised needs {FOLDS} users or more, got {count}"
        raise DataError("run: method.score", rule, "train on more users")
    draws = generator(seed, "supervised folds")
    amount = torch.zeros(count).index_add_(0, user, planted.float())
    ranked = (amount + torch.rand(count, generator=draws)).argsort()
    dealt = torch.rand(-(-count // FOLDS), FOLDS, generator=draws).argsort(1).flatten()[:count]
    return torch.empty_like(dealt).scatter_(0, ranked, dealt)[user]


def _learn(inputs: Tensor, real: Tensor, sizes: Tensor, seed: int) -> list[Tensor]:
    """Train a model for every fold, all in one computation, on rows that come sorted by fold.

    Model f is trained on the folds after f + 1, counted round, and stops where it is best on f + 1.
    """
    draws = generator(seed, "supervised")
    models = _first_models(inputs.shape[1], draws)
    optimiser = torch.optim.AdamW(models, lr=LR, weight_decay=DECAY)
    starts = sizes.cumsum(0).roll(-1)
    pool = len(inputs) - sizes - sizes.roll(-1)
    steps = max(int(pool.max()) // BATCH, LEAST_STEPS)
    best = [each.detach().clone() for each in models]
    least, since = _held_out_losses(models, inputs, real, sizes), 0
    for _ in range(ROUNDS):
        for _ in range(steps):
            place = torch.rand(FOLDS, BATCH, generator=draws, dtype=torch.float64)
            batch = (starts[:, None] + place * pool[:, None]).long() % len(inputs)
            optimiser.zero_grad()
            _log_loss(models, inputs[batch], real[batch]).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        losses = _held_out_losses(models, inputs, real, sizes)
        lower = losses < least
        pairs = zip(models, best, strict=True)
        best = [torch.where(lower[:, None, None], new.detach(), old) for new, old in pairs]
        least, since = torch.where(lower, losses, least), 0 if lower.any() else since + 1
        if since == PATIENCE:
            break
    return best


@torch.no_grad()
def _held_out_losses(models: list[Tensor], inputs: Tensor, real: Tensor, sizes: Tensor) -> Tensor:
    """Log-loss of model f on the rows of fold f + 1, shape (FOLDS,)."""
    cuts = sizes.tolist()
    parts = zip(torch.split(inputs, cuts), torch.split(real, cuts), strict=True)
    losses = [_log_loss(_of(models, k - 1), x[None], y[None]) for k, (x, y) in enumerate(parts)]
    return torch.cat(losses).roll(-1)


def _first_models(columns: int, draws: torch.Generator) -> list[Tensor]:
    """Weights (FOLDS, i, o) and offsets (FOLDS, 1, o) of two hidden layers and the output."""
    models: list[Tensor] = []
    for size, out in ((columns, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)):
        drawn = torch.randn(FOLDS, size, out, generator=draws) * (2 / size) ** 0.5
        models += [nn.Parameter(drawn), nn.Parameter(torch.zeros(FOLDS, 1, out))]
    return models


def _of(models: list[Tensor], fold: int) -> list[Tensor]:
    fold %= FOLDS
    return [each[fold : fold + 1] for each in models]


def _log_odds(models: list[Tensor], inputs: Tensor) -> Tensor:
    """Of m models for b rows each, (m, b, c) to (m, b)."""
    first, first_offset, second, second_offset, last, last_offset = models
    hidden = torch.baddbmm(first_offset, inputs, first).relu()
    hidden = torch.baddbmm(second_offset, hidden, second).relu()
    return torch.baddbmm(last_offset, hidden, last)[..., 0]


def _log_loss(models: list[Tensor], inputs: Tensor, real: Tensor) -> Tensor:
    """Mean log-loss of m models on b rows each, shape (m,)."""
    odds = _log_odds(models, inputs)
    return nn.functional.binary_cross_entropy_with_logits(odds, real, reduction="none").mean(1)
