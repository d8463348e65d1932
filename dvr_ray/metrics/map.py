"""MAP@K = sum over hits of precision at their rank, over min(|T|, K).

The denominator is the number of hits of the best list, so that a perfect list has 1 however many
items are held out; with |T| a user with more than K of them could never reach it. (Others divide
by |T|, or by the number of hits found, which rewards finding few.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["Map"]


@METRICS.add("map")
class Map(UserMetric):
    """Mean average precision."""

    higher_is_better = True
    source = "Manning et al. (2008), section 8.4; denominator as RecBole's"

    def per_user(self, lists: Lists) -> Tensor:
        """Average the precision at every hit."""
        ranks = torch.arange(1, lists.hits.shape[1] + 1)
        precision = lists.hits.cumsum(1) / ranks.double()
        return (precision * lists.hits).sum(1) / lists.relevant.clamp_max(self.cutoff)
