"""No re-ranking: the backbone's own order."""

from __future__ import annotations

from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.reranking.reranker import RERANKING, Reranker

__all__ = ["NoReranking"]


class NoParams(Strict):
    """Fields of ``rerank: {name: none}``: none."""


@RERANKING.add("none")
class NoReranking(Reranker):
    """Keep the backbone's order."""

    Params = NoParams

    @property
    def pool(self) -> int:
        """As many as the list is long."""
        return 1

    def rerank(self, items: Tensor, scores: Tensor, depth: int) -> Tensor:
        """Cut the pool."""
        return items[:, :depth]
