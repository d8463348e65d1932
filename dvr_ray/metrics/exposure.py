"""How often every item is recommended: counts that Gini, coverage and exposure gaps are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import ExposureMetric

__all__ = ["ItemCounts", "over_items"]


class ItemCounts(ExposureMetric):
    """A metric of how many lists hold each item of the whole catalogue."""

    needs = ("catalogue",)

    def counts(self, lists: Lists) -> Tensor:
        """Count lists per item, shape (I,)."""
        shown = lists.items[lists.items >= 0]
        return torch.bincount(shown, minlength=lists.catalogue.num_items or 0).double()


def over_items(lists: Lists, values: Tensor) -> Tensor:
    """Sum values of items, shape (I,), over every list: shape (u,)."""
    there = lists.items >= 0
    return (values[lists.items.clamp_min(0)] * there).sum(1)
