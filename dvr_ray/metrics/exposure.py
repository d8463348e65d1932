"""How often every item is recommended: counts that Gini, coverage and exposure gaps are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.lists import Lists

__all__ = ["over_items", "recommended"]


def recommended(lists: Lists) -> Tensor:
    """Number of lists that hold each item, shape (I,), int64."""
    shown = lists.items[lists.items >= 0]
    return torch.bincount(shown, minlength=lists.catalogue.num_items or 0)


def over_items(lists: Lists, values: Tensor) -> Tensor:
    """Sum values of items, shape (I,), over every list: shape (u,)."""
    there = lists.items >= 0
    return (values[lists.items.clamp_min(0)] * there).sum(1)
