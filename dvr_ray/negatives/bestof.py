"""Best of M (DNS): the hardest of some uniform candidates by the model of now.

Source: Zhang et al., "Optimizing top-N collaborative filtering via dynamic negative item sampling",
SIGIR 2013. A negative's rank among the candidates replaces its rank in the catalogue: the larger M,
the harder the negatives. With one candidate it is BPR.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.proposal import Proposal
from dvr_ray.negatives.sampler import NEGATIVES, Negatives, NegativeSampler

__all__ = ["BestOf", "BestOfParams"]


class BestOfParams(Strict):
    """Fields of ``negatives: {name: best-of}``."""

    candidates: int = Field(
        8, ge=1, le=10_000, description="Uniform candidates M, drawn with replacement."
    )
    count: int = Field(1, ge=1, le=10_000, description="Negatives n per positive: the top n of M.")
    shared: bool = Field(False, description="One list of M candidates for all rows of a batch.")

    @field_validator("count")
    @classmethod
    def _among_candidates(cls, count: int, others: ValidationInfo) -> int:
        candidates = others.data.get("candidates", count)
        if count > candidates:
            raise ValueError(f"must be <= candidates ({candidates})")
        return count


@NEGATIVES.add("best-of")
class BestOf(NegativeSampler):
    """The hardest of M uniform candidates by the current model's scores (DNS).

    A candidate that was drawn twice can be chosen twice. Of a shared list each row gets the
    hardest that are no training items of its user.
    """

    Params = BestOfParams

    def __init__(self, params: BestOfParams, train: Interactions) -> None:
        self._count = params.count
        self._proposal = Proposal(train, params.candidates, shared=params.shared)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the candidates, shape (b,) to (b, M), or (1, M) where shared."""
        return self._proposal.draw(rows, generator)

    def choose(self, backbone: Backbone, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        """Return the n candidates with the highest scores, best first."""
        found = self._proposal.negatives(users, drawn)
        tables = backbone.frozen()
        scores = backbone.match(tables.users[users], tables.items[drawn])
        if found.usable is None:
            return Negatives(drawn.gather(1, scores.topk(self._count).indices))
        scores = scores.masked_fill(~found.usable, -torch.inf)
        best = scores.topk(self._count).indices
        return Negatives(drawn.expand(len(users), -1).gather(1, best), found.usable.gather(1, best))
