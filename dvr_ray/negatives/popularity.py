"""Popular negatives (WBPR): an item comes up as often as it was interacted with.

``P(j | u)`` is in proportion to ``c_j ** power`` over the items j that user u has no training
interaction with, c_j the number of j's training interactions. With power 1 this is the item of a
uniformly drawn interaction, drawn again if it is one of the user's: Gantner et al., "Personalized
ranking for non-uniformly sampled items", KDD Cup 2011 workshop (JMLR W&CP 18, 2012). Here it is
drawn without rejection (`dvr_ray.negatives.proposal`), from the same distribution. Power .75, as
in word2vec, is a later variant.
"""

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

__all__ = ["Popularity", "PopularityParams"]


class PopularityParams(Strict):
    """Fields of ``negatives: {name: popularity}``."""

    count: int = Field(1, ge=1, le=10_000, description="Negatives n per positive.")
    power: float = Field(
        1.0, ge=0, le=4, description="Exponent of an item's count; 1 is WBPR, 0 uniform."
    )
    shared: bool = Field(False, description="One list of n items for all rows of a batch.")


@NEGATIVES.add("popularity")
class Popularity(NegativeSampler):
    """By popularity (WBPR) over the items that the user has no training interaction with.

    Items without any training interaction are drawn only for users who have all others.
    """

    Params = PopularityParams

    def __init__(self, params: PopularityParams, train: Interactions) -> None:
        weights = train.item_counts.astype(float) ** params.power
        self._proposal = Proposal(train, params.count, weights, params.shared)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw n negatives per training row, shape (b,) to (b, n), or (1, n) where shared."""
        return self._proposal.draw(rows, generator)

    def choose(self, backbone: Backbone, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        """Return the draws, positives of a shared list marked."""
        return self._proposal.negatives(users, drawn)
