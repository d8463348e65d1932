"""Coverage of categories by a user's list, in the two meanings that papers give it.

With cat(S) the categories of the items of S and C all categories of the catalogue:

* ``cc-rel@K = |cat(L) n cat(T)| / |cat(T)|``: which of the categories of the user's held-out items
  the list shows (DVR's code);
* ``cc-all@K = |cat(L)| / |C|``: the share of all categories, whatever the user likes
  (papers on diversified recommendation). A random list does well here.

Items without a category add none; a user whose held-out items have none has no ``cc-rel``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.catalogue import Categories
from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["CategoryCoverage", "CategoryRecall"]


@METRICS.add("cc-rel")
class CategoryRecall(UserMetric):
    """Share of the categories of the user's held-out items that the list shows."""

    higher_is_better = True
    source = "DVR's code (arXiv 2502.08685)"
    needs = ("category",)

    def per_user(self, lists: Lists) -> Tensor:
        """Intersect the categories of list and held-out items."""
        categories = _categories(lists)
        shown = _shown(lists, categories)
        owners = torch.repeat_interleave(torch.arange(len(lists)), lists.relevant)
        places, ids = categories.entries(lists.relevant_items)
        wanted = torch.unique(owners[places] * categories.number + ids)
        owner = wanted // categories.number
        found = torch.bincount(owner[torch.isin(wanted, shown)], minlength=len(lists))
        return found.double() / torch.bincount(owner, minlength=len(lists))


@METRICS.add("cc-all")
class CategoryCoverage(UserMetric):
    """Share of all categories that the list shows."""

    higher_is_better = True
    source = "Zheng et al., DGCN (WWW 2021), section 5.1"
    needs = ("category",)

    def per_user(self, lists: Lists) -> Tensor:
        """Count categories and divide."""
        categories = _categories(lists)
        owner = _shown(lists, categories) // categories.number
        return torch.bincount(owner, minlength=len(lists)).double() / categories.number


def _categories(lists: Lists) -> Categories:
    assert lists.catalogue.categories is not None, "needs are checked before"
    return lists.catalogue.categories


def _shown(lists: Lists, categories: Categories) -> Tensor:
    """Distinct ``list * C + category`` of the lists' items, increasing."""
    places, ids = categories.entries(lists.items.flatten())
    owners = places // max(lists.items.shape[1], 1)
    shown: Tensor = torch.unique(owners * categories.number + ids)
    return shown
