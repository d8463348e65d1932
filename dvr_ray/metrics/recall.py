"""Recall@K = |L n T| / |T|, the share of a user's held-out items T in the top-K list L."""

from __future__ import annotations

from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["Recall"]


@METRICS.add("recall")
class Recall(UserMetric):
    """Recall with all held-out items in the denominator, also when there are more than K."""

    higher_is_better = True
    source = "He et al., LightGCN (SIGIR 2020), code"

    def per_user(self, lists: Lists) -> Tensor:
        """Count hits and divide."""
        return lists.hits.sum(1).double() / lists.relevant
