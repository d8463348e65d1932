"""NDCG@K with binary gain: sum over hits of 1 / log2(rank + 1), over that of the best list.

The best list has min(|T|, K) hits on top (RecBole, Elliot, cornac and LightGCN agree; NGCF's first
code didn't, and its numbers can't be compared).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["Ndcg"]


@METRICS.add("ndcg")
class Ndcg(UserMetric):
    """Normalised discounted cumulative gain."""

    higher_is_better = True
    source = "Järvelin and Kekäläinen (TOIS 2002); ideal list cut to K"

    def per_user(self, lists: Lists) -> Tensor:
        """Discount hits by rank."""
        discount = 1 / torch.log2(torch.arange(self.cutoff, dtype=torch.float64) + 2)
        ideal = discount.cumsum(0)[lists.relevant.clamp_max(self.cutoff) - 1]
        return lists.hits.double() @ discount[: lists.hits.shape[1]] / ideal
