"""How typical an item is of the user's own group, for rewards of fairness.

For a row (u, i) with u in group g, let k be the number of i's other users in g, m the number of its
other users whose group is known, and r the share of g among the training rows of users whose group
is known. Skew is ``log((k + a r) / (m + a)) - log r`` with ``a = 5``: 0 where the item's users are
as everybody's, or where it has few; above 0 where u's own group is over-represented among them. A
row with a high skew confirms a stereotype. 0 where the user's group isn't known.
"""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext
from dvr_ray.data.interactions import Interactions

__all__ = ["Skew"]

PRIOR = 5.0


@FEATURES.add("skew")
class Skew(Feature):
    """How over-represented the user's gender, and age group, is among the item's other users.

    Where only one of the two is known, the other's column is constant.
    """

    columns = ("gender skew", "age skew")
    needs_any = ("gender", "age")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        groups = [context.groups(attribute) for attribute in self.needs_any]
        return np.stack([_skew(context.train, group) for group in groups], axis=1)


def _skew(train: Interactions, groups: np.ndarray) -> np.ndarray:
    """Skew of every row by one attribute, shape (n,)."""
    skew = np.zeros(len(train))
    own = groups[train.users]
    known = own >= 0
    own, items = own[known], train.items[known]
    if not len(own):
        return skew
    number = int(own.max()) + 1
    share = np.bincount(own, minlength=number) / len(own)
    alike = np.bincount(items * number + own, minlength=train.num_items * number)
    alike = alike[items * number + own] - 1
    others = np.bincount(items, minlength=train.num_items)[items] - 1
    mean = (alike + PRIOR * share[own]) / (others + PRIOR)
    skew[known] = np.log(mean) - np.log(share[own])
    return skew
