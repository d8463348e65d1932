"""Draws without rejection by fixed weights from the items that a user has no interaction with.

Lay the items side by side on a line, each as long as its weight, and cut the user's positives
out. Let Q_1 <= Q_2 <= ... be how much of what is left lies before each positive. A point x of what
is left stood at ``x + (weights of all positives with Q_t <= x)`` before the cut, which names the
item. One search in the sorted keys of all users finds the positives for every row at once.

Weights are whole numbers, so that no rounding can land on a positive.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.positives import Positives
from dvr_ray.negatives.sampler import Negatives

__all__ = ["Proposal"]


class Proposal:
    """Negatives of training rows: a list each, or one list for all rows of a batch.

    Time O(b n log rows) per draw (O(n log I) where shared), memory O(rows + I). `dvr_ray.data` has
    refused users who have all items.

    Parameters
    ----------
    train : Interactions
        Training part.
    count : int
        Items n a row.
    weights : ndarray of float, shape (I,), optional
        Items are drawn in proportion to these; all alike by default. Negative weights are a
        mistake of the caller; items of weight 0 are drawn only where a user has all others.
    shared : bool
        Whether one list serves all rows of a batch; then listed positives are masked.
    """

    def __init__(
        self,
        train: Interactions,
        count: int,
        weights: np.ndarray | None = None,
        shared: bool = False,
    ) -> None:
        self._count, self._shared = count, shared
        self._positives = Positives(train)
        self._users = torch.from_numpy(train.users)
        self._starts = torch.from_numpy(train.user_offsets[:-1])
        own = np.ones(train.num_items, np.int64)
        if weights is not None:
            own = _whole(weights, train.num_users)
        ends = np.cumsum(own)
        self._total = int(ends[-1])
        self._stride = self._total + 1
        # Weight of all positives before a row, of whichever user; rows + 1 numbers.
        cut = np.concatenate([[0], np.cumsum(own[train.items])])
        before = ends[train.items] - own[train.items]
        left = before - (cut[:-1] - cut[train.user_offsets[train.users]])
        self._keys = torch.from_numpy(train.users * self._stride + left)
        self._free = torch.from_numpy(
            self._total - (cut[train.user_offsets[1:]] - cut[train.user_offsets[:-1]])
        )
        self._ends = self._cut = self.log_weights = None
        if weights is not None:
            self._ends, self._cut = torch.from_numpy(ends), torch.from_numpy(cut)
            self.log_weights = torch.from_numpy(np.log(own))

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for training rows on the CPU: shape (b,) to (b, n), or (1, n) where shared."""
        length = 1 if self._shared else len(rows)
        share = torch.rand(length, self._count, dtype=torch.float64, generator=generator)
        if self._shared:
            return self._item_at((share * self._total).long())
        users = self._users[rows]
        point = (share * self._free[users, None]).long()
        start = self._starts[users, None]
        passed = torch.searchsorted(self._keys, users[:, None] * self._stride + point, right=True)
        if self._cut is None:
            return point + passed - start
        return self._item_at(point + self._cut[passed] - self._cut[start])

    def negatives(self, users: Tensor, drawn: Tensor) -> Negatives:
        """Return what was drawn for these users, positives of a shared list marked.

        Parameters
        ----------
        users : Tensor, shape (b,)
            Users.
        drawn : Tensor, shape (b, n) or (1, n)
            What `draw` returned for them.
        """
        usable = None
        if self._shared:
            usable = self._positives.usable(users, drawn.flatten())
        return Negatives(drawn, usable, self._log_proposal(drawn))

    def _item_at(self, point: Tensor) -> Tensor:
        if self._ends is None:
            return point
        return torch.searchsorted(self._ends, point, right=True)

    def _log_proposal(self, items: Tensor) -> Tensor | None:
        if self.log_weights is None:
            return None
        if self.log_weights.device != items.device:
            self.log_weights = self.log_weights.to(items.device)
        return self.log_weights[items]


def _whole(weights: np.ndarray, users: int) -> np.ndarray:
    """Scale weights to whole numbers of at least 1.

    Their sum fits a double exactly, and user x sum fits an int64. With ten million users an item
    of average weight among a million is off by less than 1e-5 of its weight.
    """
    room = min(2**50, 2**62 // (users + 1))
    scaled = weights / weights.sum() * (room - 2 * len(weights))
    whole: np.ndarray = scaled.astype(np.int64) + 1
    return whole
