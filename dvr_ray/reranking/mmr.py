"""Maximal marginal relevance by category (Carbonell and Goldstein, SIGIR 1998, eq. 1).

Place after place takes the item of the pool with the largest
``(1 - weight) score - weight max_{j chosen} cosine(i, j)``: scores scaled to 0 to 1 within the
pool, cosines of multi-hot categories, 0 for items without one. Ties keep the backbone's order.

Time O(u P (1 + categories of an item)) a place, memory O(u (C + P)).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.reranking.reranker import RERANKING, PoolParams, Reranker, unit_scores

__all__ = ["Mmr"]


class MmrParams(PoolParams):
    """Fields of ``rerank: {name: mmr}``."""

    weight: float = Field(0.5, ge=0, le=1, description="Weight of diversity against relevance.")


@RERANKING.add("mmr")
class Mmr(Reranker):
    """Diversify categories; a control for rewards of diversity."""

    Params = MmrParams
    needs = ("category",)

    def rerank(self, items: Tensor, scores: Tensor, depth: int) -> Tensor:
        """Choose place after place, all users at once."""
        rows = torch.arange(len(items))
        relevance = (1 - self.params.weight) * unit_scores(items, scores.double())
        closest = torch.zeros_like(relevance)
        open_ = items >= 0
        similar = _Similarity(self, items)
        chosen = []
        for place in range(depth):
            gain = (relevance - self.params.weight * closest).where(open_, -torch.inf)
            best = gain.argmax(1)
            chosen.append(items[rows, best].where(open_[rows, best], -1))
            open_[rows, best] = False
            if place + 1 < depth:
                closest = torch.maximum(closest, similar.to(best))
        return torch.stack(chosen, 1)


class _Similarity:
    """Cosines of each pool's items to one of them."""

    def __init__(self, reranker: Mmr, items: Tensor) -> None:
        categories = reranker.catalogue.categories
        assert categories is not None, "needs are checked before"
        self._shape, self._number = items.shape, categories.number
        self._places, self._ids = categories.entries(items.flatten())
        self._sizes = categories.counts(items).double()
        self._rows = self._places // items.shape[1]

    def to(self, chosen: Tensor) -> Tensor:
        """Cosine to the item in place ``chosen`` (u,) of the own pool, shape (u, P)."""
        users, pool = self._shape
        rows = torch.arange(users)
        own = self._places == (rows * pool + chosen)[self._rows]
        marked = torch.zeros(users, self._number, dtype=torch.float64)
        marked[self._rows[own], self._ids[own]] = 1
        common = torch.zeros(users * pool, dtype=torch.float64)
        common.index_add_(0, self._places, marked[self._rows, self._ids])
        sizes = self._sizes * self._sizes[rows, chosen][:, None]
        return common.view(users, pool) / sizes.clamp_min(1).sqrt()
