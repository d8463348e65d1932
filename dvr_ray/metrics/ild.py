"""Intra-list diversity: mean of ``1 - cosine`` over the pairs of items in a list.

* ``ild-category@K``: cosine of multi-hot category vectors. Where every item has one category this
  is DVR's form, the share of pairs of different category. Items without a category are left out.
* ``ild-embedding@K``: cosine of the backbone's item embeddings. It depends on the model: never
  compare it across backbones. (ILD may prefer near duplicates: Ohsaka and Togashi, SIGIR 2023.)

The sum over pairs follows from ``|sum x_i|^2 = sum |x_i|^2 + 2 sum_{i<j} <x_i, x_j>`` of unit
vectors, so no pair is formed. A list with fewer than two items to compare has no value.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, UserMetric

__all__ = ["IldCategory", "IldEmbedding"]


@METRICS.add("ild-category")
class IldCategory(UserMetric):
    """Mean distance of categories over the pairs of a list."""

    higher_is_better = True
    source = "Ziegler et al. (WWW 2005), eq. 1; cosine of multi-hot categories"
    needs = ("category",)
    least = 2

    def per_user(self, lists: Lists) -> Tensor:
        """Add up unit vectors by list and category, and square."""
        categories = lists.catalogue.categories
        assert categories is not None, "needs are checked before"
        items = lists.items.flatten()
        places, ids = categories.entries(items)
        sizes = categories.counts(items)
        owners = places // max(lists.items.shape[1], 1)
        keys, place = torch.unique(owners * categories.number + ids, return_inverse=True)
        sums = torch.zeros(len(keys), dtype=torch.float64)
        sums.index_add_(0, place, sizes[places].double().rsqrt())
        squares = torch.zeros(len(lists), dtype=torch.float64)
        squares.index_add_(0, keys // categories.number, sums.square())
        return _diversity(squares, (sizes > 0).view(lists.items.shape).sum(1))


@METRICS.add("ild-embedding")
class IldEmbedding(UserMetric):
    """Mean distance of the backbone's item embeddings over the pairs of a list."""

    higher_is_better = True
    source = "Ziegler et al. (WWW 2005), eq. 1; cosine of embeddings"
    needs = ("embeddings",)
    least = 2

    def per_user(self, lists: Lists) -> Tensor:
        """Add up unit vectors by list, and square."""
        assert lists.embeddings is not None, "handed over where it is needed"
        unit = normalize(lists.embeddings.double(), dim=1)
        there = lists.items >= 0
        total = (unit[lists.items.clamp_min(0)] * there[:, :, None]).sum(1)
        return _diversity(total.square().sum(1), there.sum(1))


def _diversity(squares: Tensor, count: Tensor) -> Tensor:
    """One minus the mean cosine, from the squared norms of sums of ``count`` unit vectors."""
    pairs = (count * (count - 1)).double()
    return torch.where(count > 1, 1 - (squares - count) / pairs, torch.nan)
