"""The interface of re-rankers: from a pool of each user's best items to a list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.metrics import Catalogue
from dvr_ray.registry import Registry

__all__ = ["RERANKING", "PoolParams", "Reranker", "unit_scores"]


class PoolParams(Strict):
    """Fields that re-rankers share."""

    pool: int = Field(100, ge=1, le=10_000, description="Best items per user to choose from.")


class Reranker(ABC):
    """Chooses a list from a pool of items; many users at a time.

    Parameters
    ----------
    params : Params
        The re-ranker's own fields.
    catalogue : Catalogue
        Categories and popularity.

    Attributes
    ----------
    needs : tuple of str
        What the catalogue must have, as `dvr_ray.metrics.Metric.needs`.
    """

    Params: type[Strict]
    needs: tuple[str, ...] = ()

    def __init__(self, params: Any, catalogue: Catalogue) -> None:
        self.params, self.catalogue = params, catalogue

    @property
    def pool(self) -> int:
        """Number of items per user to choose from; as many as the list is long at least."""
        return int(self.params.pool)

    @abstractmethod
    def rerank(self, items: Tensor, scores: Tensor, depth: int) -> Tensor:
        """Choose and order.

        Parameters
        ----------
        items : Tensor of int64, shape (u, P)
            Pools, best first; -1 is no item, at the end.
        scores : Tensor, shape (u, P)
            The backbone's scores.
        depth : int
            Length of the lists, at most P.

        Returns
        -------
        Tensor of int64, shape (u, depth)
            -1 at the end where the pool holds fewer items.
        """


def unit_scores(items: Tensor, scores: Tensor) -> Tensor:
    """Shift and scale each pool's scores to 0 to 1, shape (u, P); where there is no item, 0."""
    there = items >= 0
    low = scores.where(there, torch.inf).amin(1, keepdim=True)
    reach = (scores.where(there, -torch.inf).amax(1, keepdim=True) - low).clamp_min(1e-12)
    return ((scores - low) / reach).where(there, 0.0)


RERANKING: Registry[Reranker] = Registry("re-ranking", "dvr_ray.reranking")
