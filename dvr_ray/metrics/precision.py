"""Precision@K = |L n T| / K, the share of the top-K list L that is held out.

K stays the denominator where the catalogue has fewer items, or a user fewer held-out items, than K.
"""

from __future__ import annotations

from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["Precision"]


@METRICS.add("precision")
class Precision(UserMetric):
    """Hits over K."""

    higher_is_better = True
    source = "Manning et al., Introduction to Information Retrieval (2008), section 8.4"

    def per_user(self, lists: Lists) -> Tensor:
        """Count hits and divide."""
        return lists.hits.sum(1).double() / self.cutoff
