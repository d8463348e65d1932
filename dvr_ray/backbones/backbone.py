"""The small interface that every backbone implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.registry import Registry

__all__ = ["BACKBONES", "Backbone", "TripletOutput"]


@dataclass(frozen=True)
class TripletOutput:
    """What a backbone says of b triplets.

    Parameters
    ----------
    positive, negative : Tensor, shape (b,)
        Scores of (user, positive item) and (user, negative item).
    squared_norm : Tensor, shape (b,)
        Squared norms of the embeddings that the triplet reads, for the L2 term.
    """

    positive: Tensor
    negative: Tensor
    squared_norm: Tensor


class Backbone(nn.Module, ABC):
    """A recommender with scores of triplets and of users against all items.

    Embedding tables made with ``sparse=True`` get gradients and optimiser steps for the rows of
    the batch only; all other parameters are treated densely.
    """

    Params: type[Strict]

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
    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor) -> TripletOutput:
        """Score triplets; all arguments int64, shape (b,)."""

    @abstractmethod
    def item_scores(self, users: Tensor) -> Tensor:
        """Score all items for some users: shape (u,) to (u, I)."""

    @abstractmethod
    def embeddings(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings of pairs, each (b, d), as the encoder reads them."""


BACKBONES: Registry[Backbone] = Registry("backbone", "dvr_ray.backbones")
