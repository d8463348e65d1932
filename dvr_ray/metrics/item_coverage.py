"""Item coverage@K: the share of the catalogue that is in at least one top-K list."""

from __future__ import annotations

from torch import Tensor

from dvr_ray.metrics.exposure import ItemCounts, over_items
from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS

__all__ = ["ItemCoverage"]


@METRICS.add("item-coverage")
class ItemCoverage(ItemCounts):
    """Share of all items that anybody is recommended."""

    higher_is_better = True
    source = "Ge et al. (RecSys 2010), section 2.1"

    def value(self, counts: Tensor) -> Tensor:
        """Share of items with a count."""
        return (counts > 0).double().mean()

    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        """Count the items that no other list holds."""
        return over_items(lists, (counts == 1).double()) / len(counts)

    def item_differences(self, counts: Tensor) -> Tensor:
        """Pay every item that is shown its place in the catalogue."""
        return (counts > 0).double() / len(counts)
