"""Hit rate@K = 1[L n T isn't empty], the share of users with a hit in their top-K list."""

from __future__ import annotations

from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["HitRate"]


@METRICS.add("hit-rate")
class HitRate(UserMetric):
    """Whether the list holds any held-out item."""

    higher_is_better = True
    source = "Deshpande and Karypis (TOIS 2004), section 5.1"

    def per_user(self, lists: Lists) -> Tensor:
        """Look for a hit."""
        return lists.hits.any(1).double()
