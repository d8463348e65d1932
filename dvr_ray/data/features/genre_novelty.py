"""How unfamiliar an item's categories are to its user, for rewards of diversity.

For a row (u, i) and a category c of i, let n(u, c) be the number of u's rows whose item has c, the
row itself left out, m the number of u's other rows, and q(c) the share of all training rows whose
item has c. Familiarity is the mean over i's categories of ``(n(u, c) + a q(c)) / (m + a)`` with
``a = 1``, so that a short list says little, and a list of one nothing but how common c is; novelty
is 1 minus it. A row whose item has no category is in the middle: at the mean of the others.

Time and memory O(e), e the number of pairs of a row and a category of its item, and one count per
pair of user and category that occurs.
"""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["GenreNovelty"]

PRIOR = 1.0


@FEATURES.add("genre-novelty")
class GenreNovelty(Feature):
    """1 minus how common the item's categories are among the user's other rows."""

    columns = ("genre novelty",)
    needs_any = ("category",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the column."""
        train = context.train
        rows, kinds, number = _entries(context)
        if not len(rows):
            return np.zeros((len(train), 1))
        common = np.bincount(kinds, minlength=number) / len(train)
        keys = train.users[rows] * number + kinds
        _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        others = train.user_counts[train.users[rows]] - 1
        # The row itself has the category: it is one of those counted.
        familiar = (counts[place] - 1 + PRIOR * common[kinds]) / (others + PRIOR)
        several = np.bincount(rows, minlength=len(train))
        total = np.bincount(rows, familiar, len(train))
        novelty = 1 - total / np.maximum(several, 1)
        novelty[several == 0] = novelty[several > 0].mean()
        return novelty[:, None]


def _entries(context: FeatureContext) -> tuple[np.ndarray, np.ndarray, int]:
    """Every pair of a row and a category of its item, and the number of categories."""
    offsets, ids, number = context.categories
    starts = offsets[context.train.items]
    counts = offsets[context.train.items + 1] - starts
    rows = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, ids[starts[rows] + within], number
