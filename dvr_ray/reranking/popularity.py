"""Popularity penalty: ``score - weight log(1 + c_i)``, c_i the item's training rows.

Scores are those of the backbone as they are, so that the weight that does something depends on
their spread: search it.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.reranking.reranker import RERANKING, PoolParams, Reranker

__all__ = ["PopularityPenalty"]


class PopularityParams(PoolParams):
    """Fields of ``rerank: {name: popularity}``."""

    weight: float = Field(0.1, ge=0, le=1000, description="Subtracted times log popularity.")


@RERANKING.add("popularity")
class PopularityPenalty(Reranker):
    """Lower popular items; a control for rewards of coverage and novelty."""

    Params = PopularityParams
    needs = ("popularity",)

    def rerank(self, items: Tensor, scores: Tensor, depth: int) -> Tensor:
        """Sort by the lowered scores; equal ones stay in the backbone's order."""
        popularity = self.catalogue.popularity
        assert popularity is not None, "every training part has it"
        logs = torch.log1p(popularity.to(scores))[items.clamp_min(0)]
        lowered = (scores - self.params.weight * logs).where(items >= 0, -torch.inf)
        order = lowered.sort(stable=True, dim=1, descending=True).indices[:, :depth]
        return items.gather(1, order)
