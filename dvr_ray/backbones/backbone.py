"""The small interface that every backbone implements.

A backbone turns its parameters into one representation per user and item (`represent`) and matches
two of them (`match`). Everything else, from the BPR step to the ranking of all items, is made of
these two, so that a graph backbone propagates once a step, whoever reads the result.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.registry import Registry

__all__ = ["BACKBONES", "Backbone", "Tables", "TripletOutput"]


class Tables(NamedTuple):
    """One row per user, (U, D), and per item, (I, D)."""

    users: Tensor
    items: Tensor


@dataclass(frozen=True)
class TripletOutput:
    """What a backbone says of b triplets with n negatives each.

    Parameters
    ----------
    positive : Tensor, shape (b,)
        Scores of (user, positive item).
    negative : Tensor, shape (b, n)
        Scores of (user, negative item).
    squared_norm : Tensor, shape (b,)
        Squared norms of the embeddings that the triplet reads, for the L2 term; of n negatives
        their mean.
    """

    positive: Tensor
    negative: Tensor
    squared_norm: Tensor


class Backbone(nn.Module, ABC):
    """A recommender with scores of triplets and of users against all items."""

    Params: type[Strict]

    rowwise = False
    """Whether representations are the parameters themselves: then gradients and optimiser steps
    touch the rows of the batch only. All other parameters are treated densely."""

    trainable = True
    """Whether there is anything to train; if not, a run ends after one epoch without steps."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[tuple[int, ...], Tables] | None = None

    @classmethod
    @abstractmethod
    def build(cls, params: Any, train: Interactions, generator: torch.Generator) -> Backbone:
        """Make one with fresh weights.

        Parameters
        ----------
        params : Params
            The backbone's own fields.
        train : Interactions
            Training part: sizes, and the graph where the backbone needs it.
        generator : torch.Generator
            Draws the weights.
        """

    @abstractmethod
    def represent(self) -> Tables:
        """Return the representations that scores are made of, with gradient."""

    def regularised(self, tables: Tables) -> Tables:
        """Return the tables whose rows the L2 term counts; those of `represent` unless changed."""
        return tables

    def match(self, users: Tensor, items: Tensor) -> Tensor:
        """Score representations: the inner product unless changed.

        Parameters
        ----------
        users : Tensor, shape (b, D)
            Users' rows.
        items : Tensor, shape (b, n, D) or (1, n, D)
            Items' rows; one block for all users where the first size is 1.

        Returns
        -------
        Tensor, shape (b, n)
        """
        if len(items) == 1:
            return users @ items[0].T
        return torch.einsum("bd,bnd->bn", users, items)

    def score(
        self, user: Tensor, positive: Tensor, negative: Tensor, keys: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Match triplets: `match` unless changed, by a backbone with dropout.

        Parameters
        ----------
        user, positive : Tensor, shape (b, D)
            Rows of users and positive items.
        negative : Tensor, shape (b, n, D) or (1, n, D)
            Rows of negative items.
        keys : Tensor of int64, shape (b,), or None
            As in `forward`.

        Returns
        -------
        tuple of Tensor, shape (b,) and (b, n)
        """
        return self.match(user, positive[:, None])[:, 0], self.match(user, negative)

    def forward(
        self, users: Tensor, positives: Tensor, negatives: Tensor, keys: Tensor | None = None
    ) -> TripletOutput:
        """Score triplets.

        Parameters
        ----------
        users, positives : Tensor of int64, shape (b,)
            Users and their positive items.
        negatives : Tensor of int64, shape (b, n) or (1, n)
            Negative items; one list for all triplets where the first size is 1.
        keys : Tensor of int64, shape (b,), optional
            A number per triplet that dropout derives its mask from (`Batch.keys`); without them
            nothing is dropped. Only training hands them over.

        Returns
        -------
        TripletOutput
            Scores and norms.
        """
        tables = self.represent()
        user, positive, negative = self.rows(tables, users, positives, negatives)
        counted = self.regularised(tables)
        if counted is tables:
            norms = _squares(user, positive, negative)
        else:
            norms = _squares(*self.rows(counted, users, positives, negatives))
        return TripletOutput(*self.score(user, positive, negative, keys), norms)

    def frozen(self) -> Tables:
        """Return the representations without gradient; made once per state of the weights."""
        versions = tuple(parameter._version for parameter in self.parameters())
        if self._kept is None or self._kept[0] != versions:
            with torch.no_grad():
                tables = self.represent()
            self._kept = versions, Tables(tables.users.detach(), tables.items.detach())
        return self._kept[1]

    def item_scores(self, users: Tensor) -> Tensor:
        """Score all items for some users, without gradient: shape (u,) to (u, I)."""
        tables = self.frozen()
        with torch.no_grad():
            return self.match(tables.users[users], tables.items[None])

    def embeddings(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the representations of pairs, each (b, D), without gradient."""
        tables = self.frozen()
        return tables.users[users], tables.items[items]

    @property
    def device(self) -> torch.device:
        """Where its weights live."""
        return next(itertools.chain(self.parameters(), self.buffers())).device

    def rows(
        self, tables: Tables, users: Tensor, positives: Tensor, negatives: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Look up the rows of triplets, shapes as in `forward`: (b, D), (b, D), (b or 1, n, D)."""
        user = self._lookup(tables.users, users)
        # One lookup of both sides leaves one gradient to combine.
        items = self._lookup(tables.items, torch.cat([positives, negatives.flatten()]))
        positive, negative = items[: len(positives)], items[len(positives) :]
        return user, positive, negative.view(*negatives.shape, items.shape[1])

    def _lookup(self, table: Tensor, rows: Tensor) -> Tensor:
        # A table that stands in for the parameter, as in a look-ahead step, has no row gradients.
        return embedding(rows, table, sparse=self.rowwise and table.is_leaf)


def _squares(user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    own = user.square().sum(1) + positive.square().sum(1)
    others = negative.square().sum(2).mean(1)
    return own + others


BACKBONES: Registry[Backbone] = Registry("backbone", "dvr_ray.backbones")
