"""Draws that depend on the model, repeated where they hit a positive."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.positives import Positives
from dvr_ray.negatives.proposal import Proposal

__all__ = ["Redraws"]

Propose = Callable[[Tensor, Tensor], Tensor]


class Redraws:
    """Random numbers for a fixed number of attempts, and an item that is no positive for the rest.

    What comes out follows the proposal among the items that are no positives, but for the rows in
    which every attempt hits a positive, a share of q^8 where q is the proposal's mass on positives.

    Parameters
    ----------
    train : Interactions
        Training part.
    count : int
        Items n a row.
    fallback : Proposal
        Draws n items a row for the case that all attempts hit positives.
    """

    ATTEMPTS = 8

    def __init__(self, train: Interactions, count: int, fallback: Proposal) -> None:
        self._count, self._fallback = count, fallback
        self._positives = Positives(train)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw two uniform numbers per attempt, and the fallback: shape (b,) to (b, 17 n)."""
        items = self._fallback.draw(rows, generator)
        size = (len(rows), self._count * self.ATTEMPTS * 2)
        return torch.cat([torch.rand(size, dtype=torch.float64, generator=generator), items], 1)

    def first_free(self, users: Tensor, drawn: Tensor, propose: Propose) -> Tensor:
        """Return the first proposals that are no positives.

        Parameters
        ----------
        users : Tensor, shape (b,)
            Users.
        drawn : Tensor of float64, shape (b, 17 n)
            What `draw` returned for them.
        propose : callable
            Turns places in ``users`` (k,) and uniform numbers (k, 2) into items (k,).

        Returns
        -------
        Tensor of int64, shape (b, n)
        """
        items = drawn[:, -self._count :].long()
        numbers = drawn[:, : -self._count].view(len(users), self._count, self.ATTEMPTS, 2)
        row, column = torch.ones_like(items, dtype=torch.bool).nonzero(as_tuple=True)
        for attempt in range(self.ATTEMPTS):
            found = propose(row, numbers[row, column, attempt])
            taken = self._positives.hold(users[row], found)
            items[row[~taken], column[~taken]] = found[~taken]
            row, column = row[taken], column[taken]
            if not len(row):
                break
        return items
