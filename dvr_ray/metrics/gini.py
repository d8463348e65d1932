"""Gini@K of how often items are recommended: 0 is equal, near 1 is all on one item.

With c the numbers of lists that hold each of the n items of the whole catalogue, ascending:
``sum_j (2j - n - 1) c_(j) / (n sum c)``; no list at all counts as equal. (Elliot's is one minus
this, over n - 1.)

One list L less lowers the counts of its k items by one. The numerator is
``sum_{v<w} |c_v - c_w|``; it changes by -1 for each pair of v in L and w outside with c_v > c_w,
and by +1 for the other such pairs. With ``less(c)`` the number of items below c and e the number
of pairs within L that tie, that is ``sum_{v in L} (n - 2 less(c_v)) - k - 2e``. Item i taken out of
all lists, the numerator loses ``sum_w |c_i - c_w|`` and gets ``sum c - c_i``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.exposure import ItemCounts, over_items
from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS

__all__ = ["Gini"]


@METRICS.add("gini")
class Gini(ItemCounts):
    """Inequality of recommendations over all items, those never recommended included."""

    higher_is_better = False
    source = "RecBole's GiniIndex, n the whole catalogue"

    def value(self, counts: Tensor) -> Tensor:
        """Return the index of the sorted counts."""
        return self._numerator(counts) / (len(counts) * counts.sum()).clamp_min(1)

    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        """Follow what one list less does to the sorted counts."""
        number, lengths = len(counts), lists.lengths()
        less = torch.searchsorted(counts.sort().values, counts)
        own = counts[lists.items.clamp_min(0)].where(lists.items >= 0, torch.nan)
        # A pair of places stands twice in the table, NaN equals nothing, and each place itself.
        ties = ((own[:, :, None] == own[:, None, :]).sum((1, 2)) - lengths) / 2
        change = over_items(lists, (number - 2 * less).double()) - lengths - 2 * ties
        total = (number * (counts.sum() - lengths)).clamp_min(1)
        return self.value(counts) - (self._numerator(counts) + change) / total

    def item_differences(self, counts: Tensor) -> Tensor:
        """Set each count to 0, by running sums of the sorted counts."""
        number, total = len(counts), counts.sum()
        ordered = counts.sort().values
        below = torch.searchsorted(ordered, counts)
        up_to = torch.cat([counts.new_zeros(1), ordered.cumsum(0)])[below]
        apart = counts * below - up_to + (total - up_to) - counts * (number - below)
        left = total - counts
        without = (self._numerator(counts) - apart + left) / (number * left).clamp_min(1)
        return self.value(counts) - without

    @staticmethod
    def _numerator(counts: Tensor) -> Tensor:
        number = len(counts)
        places = 2 * torch.arange(1, number + 1, dtype=torch.float64) - number - 1
        return places @ counts.sort().values
