"""Uniform negatives: every item that the user has no training interaction with, alike."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.proposal import Proposal
from dvr_ray.negatives.sampler import NEGATIVES, Negatives, NegativeSampler

__all__ = ["Uniform", "UniformParams"]


class UniformParams(Strict):
    """Fields of ``negatives: {name: uniform}``."""

    count: int = Field(1, ge=1, le=10_000, description="Negatives n per positive.")
    shared: bool = Field(False, description="One list of n items for all rows of a batch.")


@NEGATIVES.add("uniform")
class Uniform(NegativeSampler):
    """Uniform over the items that the user has no training interaction with.

    One list for a batch (`shared`) costs one matrix product whatever n is; items in it that are
    training items of a row's user don't count for that row.
    """

    Params = UniformParams

    def __init__(self, params: UniformParams, train: Interactions) -> None:
        self._proposal = Proposal(train, params.count, shared=params.shared)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw n negatives per training row, shape (b,) to (b, n), or (1, n) where shared."""
        return self._proposal.draw(rows, generator)

    def choose(self, backbone: Backbone, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        """Return the draws, positives of a shared list marked."""
        return self._proposal.negatives(users, drawn)
