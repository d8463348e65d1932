"""NDCG@K with binary gain: sum over hits of 1 / log2(rank + 1), over that of the best list.

The best list has min(|T|, K) hits on top (RecBole, Elliot, cornac and LightGCN agree; NGCF's first
code didn't, and its numbers can't be compared).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.metric import METRICS, Metric

__all__ = ["Ndcg"]


@METRICS.add("ndcg")
class Ndcg(Metric):
    """Normalised discounted cumulative gain."""

    higher_is_better = True

    def per_user(self, hits: Tensor, relevant: Tensor) -> Tensor:
        """Discount hits by rank; shapes as in `Metric.per_user`."""
        hits = hits[:, : self.cutoff].double()
        ranks = torch.arange(self.cutoff, dtype=torch.float64, device=hits.device)
        discount = 1 / torch.log2(ranks + 2)
        ideal = discount.cumsum(0)[relevant.clamp(1, self.cutoff) - 1]
        return hits @ discount[: hits.shape[1]] / ideal.where(relevant > 0, torch.nan)
