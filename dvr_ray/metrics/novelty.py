"""Novelty@K: mean self-information ``-log2 p_i`` of the items of a list.

``p_i = max(c_i, 1) / U`` is the share of the U users who have item i among the training rows; an
item that nobody has counts like one that a single user has.
"""

from __future__ import annotations

from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["Novelty"]


@METRICS.add("novelty")
class Novelty(UserMetric):
    """Mean bits of surprise per item, 0 to log2 of the number of users."""

    higher_is_better = True
    source = "Zhou et al. (PNAS 2010), surprisal; Castells et al. (2011), eq. 2"
    needs = ("popularity",)

    def per_user(self, lists: Lists) -> Tensor:
        """Average over the list."""
        popularity = lists.catalogue.popularity
        assert popularity is not None, "needs are checked before"
        bits = -(popularity.clamp_min(1).double() / lists.catalogue.num_users).log2()
        there = lists.items >= 0
        return (bits[lists.items.clamp_min(0)] * there).sum(1) / there.sum(1)
