"""MRR@K = 1 / rank of the first hit, 0 without a hit among the first K places."""

from __future__ import annotations

from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["Mrr"]


@METRICS.add("mrr")
class Mrr(UserMetric):
    """Reciprocal rank of the first hit."""

    higher_is_better = True
    source = "Voorhees (TREC-8, 1999)"

    def per_user(self, lists: Lists) -> Tensor:
        """Count the places down to the first hit."""
        misses_before = (lists.hits.cumsum(1) == 0).sum(1)
        return lists.hits.any(1) / (misses_before + 1).double()
