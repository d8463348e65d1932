"""Gaps between groups of users in what they are recommended.

Let ``n_g(v)`` be the number of users of group g whose top-K list holds item v. For two groups:

* ``sp:gender@K``: mean over the items that either is shown of ``|p_g - p_h| / (p_g + p_h)``, where
  ``p_g(v) = n_g(v) / |U_g|`` (statistical parity of items). Published code leaves out the division
  by group size; then a fair recommender has a gap of .4 at 70/30. Few recommendations bias it
  upward: an item that is recommended once has the gap 1. Read it beside its permutation null.
* ``tv:gender@K``: ``1/2 sum_v |q_g - q_h|`` with ``q_g`` the share of v among all that g is shown,
  the total variation of the two exposures, 0 to 1.

With more than two groups: the mean over pairs.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import combinations

import torch
from torch import Tensor

from dvr_ray.metrics.exposure import over_items
from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, ExposureMetric, GroupMetric

__all__ = ["ExposureGap", "StatisticalParity", "TotalVariation"]


class ExposureGap(GroupMetric, ExposureMetric):
    """A gap made of items; the counts of a group are ``n_g``, shape (I,), and its users."""

    needs = ("catalogue",)

    @abstractmethod
    def rates(self, times: Tensor, users: Tensor, shown: Tensor) -> Tensor:
        """Return a group's rate of every item.

        Parameters
        ----------
        times : Tensor, shape (I,)
            How often the group is shown each item.
        users, shown : Tensor, scalar
            Its users, and all that they are shown.
        """

    @abstractmethod
    def gaps(self, one: Tensor, other: Tensor) -> Tensor:
        """Gap of every item from the rates of two groups, shape (I,); 0 where both are 0."""

    @abstractmethod
    def size(self, shown: Tensor) -> Tensor:
        """Return what the sum of gaps is divided by, from the number of items shown to either."""

    @abstractmethod
    def without_items(self, one: Tensor, other: Tensor) -> Tensor:
        """Value of two groups without each item, shape (I,).

        Parameters
        ----------
        one, other : Tensor, shape (I + 1,)
            Counts of each group; anything may be returned for an item that is all it is shown.
        """

    def group_counts(self, lists: Lists, groups: Tensor, number: int) -> Tensor:
        """``n_g(v)`` and, last, the number of users: shape (G, I + 1)."""
        items = lists.catalogue.num_items or 0
        keys = (groups[:, None] * items + lists.items)[lists.items >= 0]
        times = torch.bincount(keys, minlength=number * items).view(number, items)
        users = torch.bincount(groups, minlength=number)
        return torch.cat([times, users[:, None]], 1).double()

    def value(self, counts: Tensor) -> Tensor:
        """Mean over pairs of groups of the sum of the items' gaps over its divisor."""
        pairs = list(combinations(self._there(counts), 2))
        gaps = [self._pair(counts[one], counts[other]) for one, other in pairs]
        return torch.stack(gaps).mean() if gaps else counts.new_zeros(())

    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        """Take each list out of the exposure of the user's group."""
        groups, lengths = self.groups(lists)[0], lists.lengths()
        left = self.value(counts).repeat(len(lists))
        kinds = set(zip(groups.tolist(), lengths.tolist(), strict=True))
        for group, length in sorted(kind for kind in kinds if kind[0] >= 0):
            own = (groups == group) & (lengths == length)
            left[own] = self._without(lists.rows(own), counts, group, length)
        return self.value(counts) - left

    def item_differences(self, counts: Tensor) -> Tensor:
        """Take each item out of every list; a group that is shown nothing else drops out."""
        times = counts[:, :-1]
        rest = times.sum(1, keepdim=True) > times
        total, number = torch.zeros_like(times[0]), torch.zeros_like(times[0])
        for one, other in combinations(self._there(counts), 2):
            both = rest[one] & rest[other]
            total += self.without_items(counts[one], counts[other]).where(both, 0.0)
            number += both
        found = self.value(counts) - total / number.clamp_min(1)
        return found.where(times.sum(0) > 0, 0.0)

    def _there(self, counts: Tensor) -> list[int]:
        """Groups that are shown anything."""
        return [g for g, row in enumerate(counts) if row[-1] > 0 and row[:-1].sum() > 0]

    def _pair(self, one: Tensor, other: Tensor) -> Tensor:
        rates = [self.rates(row[:-1], row[-1], row[:-1].sum()) for row in (one, other)]
        either = (one[:-1] + other[:-1] > 0).sum()
        return self.gaps(*rates).sum() / self.size(either)

    def _without(self, lists: Lists, counts: Tensor, group: int, length: int) -> Tensor:
        """Value without each of some lists of one group and length, shape (u,)."""
        there = self._there(counts)
        others = [g for g in there if g != group]
        rest = [self._pair(counts[g], counts[h]) for g, h in combinations(others, 2)]
        total = torch.zeros(len(lists), dtype=torch.float64) + sum(rest)
        number = len(rest)
        times, users = counts[group, :-1], counts[group, -1] - 1
        shown = times.sum() - length
        if users > 0 and shown > 0:
            before = self.rates(times, users, shown)
            after = self.rates((times - 1).clamp_min(0), users, shown)
            number += len(others)
            for other in others:
                row = counts[other]
                rate = self.rates(row[:-1], row[-1], row[:-1].sum())
                whole, lowered = self.gaps(before, rate), self.gaps(after, rate)
                last = ((times == 1) & (row[:-1] == 0)).double()
                either = (times + row[:-1] > 0).sum() - over_items(lists, last)
                total += (whole.sum() + over_items(lists, lowered - whole)) / self.size(either)
        return total / max(number, 1)


@METRICS.add("sp")
class StatisticalParity(ExposureGap):
    """Mean over items of the groups' relative difference in being shown them."""

    higher_is_better = False
    source = "after Chen et al., FDA (WWW 2023), code; divided by group size"

    def rates(self, times: Tensor, users: Tensor, shown: Tensor) -> Tensor:
        """Share of the group's users."""
        return times / users

    def gaps(self, one: Tensor, other: Tensor) -> Tensor:
        """Difference over sum."""
        total = one + other
        return (one - other).abs() / total.where(total > 0, 1)

    def size(self, shown: Tensor) -> Tensor:
        """Return the number of items."""
        return shown.clamp_min(1)

    def without_items(self, one: Tensor, other: Tensor) -> Tensor:
        """Leave each item out of the mean."""
        gaps = self.gaps(one[:-1] / one[-1], other[:-1] / other[-1])
        shown = one[:-1] + other[:-1] > 0
        return (gaps.sum() - gaps) / self.size(shown.sum() - shown.long())


@METRICS.add("tv")
class TotalVariation(ExposureGap):
    """Total variation between what the groups are shown."""

    higher_is_better = False
    source = "total variation distance of the groups' item exposures"

    def rates(self, times: Tensor, users: Tensor, shown: Tensor) -> Tensor:
        """Share of all that the group is shown."""
        return times / shown

    def gaps(self, one: Tensor, other: Tensor) -> Tensor:
        """Half the difference."""
        return (one - other).abs() / 2

    def size(self, shown: Tensor) -> Tensor:
        """Nothing to divide by."""
        return torch.ones_like(shown)

    def without_items(self, one: Tensor, other: Tensor) -> Tensor:
        """Add up what the one is shown more often, by running sums over items in that order.

        Without item i every share grows, ``A' = A - n_g(i)`` and ``B' = B - n_h(i)``: item v is
        shown to g more often where ``n_g(v) / (n_g(v) + n_h(v)) > A' / (A' + B')``. Such items'
        differences add up to the total variation, since all differences add up to 0.
        """
        pair = one[:-1], other[:-1]
        left = [(times.sum() - times).clamp_min(1) for times in pair]
        leaning = pair[0] / (pair[0] + pair[1]).clamp_min(1)
        ordered, order = leaning.sort(descending=True)
        bar = left[0] / (left[0] + left[1])
        first = torch.searchsorted(-ordered, -bar)
        more = (leaning > bar).double()
        shares = [
            (torch.cat([times.new_zeros(1), times[order].cumsum(0)])[first] - more * times) / rest
            for times, rest in zip(pair, left, strict=True)
        ]
        return shares[0] - shares[1]
