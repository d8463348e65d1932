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

__all__ = ["Skew"]

PRIOR = 5.0


@FEATURES.add("skew")
class Skew(Feature):
    """How over-represented the user's gender, and age group, is among the item's other users.

    Where only one of the two is known, the other's column is constant.
    """

    columns = ("gender skew", "age skew")
    reads = ("groups",)
    needs_any = ("gender", "age")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        return np.stack([_skew(context, attribute) for attribute in self.needs_any], axis=1)


def _skew(context: FeatureContext, attribute: str) -> np.ndarray:
    """Skew of every row by one attribute, shape (n,)."""
    train = context.train
    skew = np.zeros(len(train))
    counts = context.group_counts(attribute)
    if not counts.sum():
        return skew
    own = context.groups(attribute)[train.users]
    known = own >= 0
    own, items = own[known], train.items[known]
    share = counts.sum(0) / counts.sum()
    alike, others = counts[items, own] - 1, counts.sum(1)[items] - 1
    mean = (alike + PRIOR * share[own]) / (others + PRIOR)
    skew[known] = np.log(mean) - np.log(share[own])
    return skew
