"""How unfamiliar an item's categories are to its user, for rewards of diversity.

For a row (u, i) and a category c of i, let n(u, c) be the number of u's rows whose item has c, the
row itself left out, m the number of u's other rows, and q(c) the share of all training rows whose
item has c. Familiarity is the mean over i's categories of ``(n(u, c) + a q(c)) / (m + a)`` with
``a = 1``, so that a short list says little, and a list of one nothing but how common c is; novelty
is 1 minus it. A row whose item has no category is in the middle: at the mean of the others.

Time O(e log e), e the number of pairs of a row and a category of its item; memory O(n), as such
pairs are made for some users at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext
from dvr_ray.data.interactions import Interactions, entries_of

__all__ = ["GenreNovelty"]

BLOCK_ROWS = 1 << 20
PRIOR = 1.0


@FEATURES.add("genre-novelty")
class GenreNovelty(Feature):
    """1 minus how common the item's categories are among the user's other rows."""

    columns = ("genre novelty",)
    reads = ("categories",)
    needs_any = ("category",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the column."""
        train = context.train
        offsets, ids, number = context.categories
        several = np.diff(offsets)
        if not several[train.items].any():
            return np.zeros((len(train), 1))
        having = np.bincount(ids, np.repeat(train.item_counts, several), number)
        common = having / train.item_counts.sum()
        novelty = np.empty(len(train))
        for rows in _user_blocks(train, BLOCK_ROWS):
            novelty[rows] = _novelty(context, rows, common)
        known = several[train.items] > 0
        novelty[~known] = novelty[known].mean()
        return novelty[:, None]


def _user_blocks(train: Interactions, limit: int) -> Iterator[slice]:
    """Cut the rows into blocks of whole users; more than the limit where one user has more."""
    start = 0
    while start < len(train):
        last = np.searchsorted(train.user_offsets, start + limit, side="right") - 1
        following = train.user_offsets[train.users[start] + 1]
        stop = max(int(train.user_offsets[last]), int(following))
        yield slice(start, stop)
        start = stop


def _novelty(context: FeatureContext, rows: slice, common: np.ndarray) -> np.ndarray:
    """Novelty of the rows of some users; 1 where the item has no category."""
    train = context.train
    users, items = train.users[rows], train.items[rows]
    offsets, ids, _ = context.categories
    # Every pair of a row and a category of its item.
    entry, place = entries_of(offsets, items)
    kinds = ids[place]
    _, which, counts = np.unique(
        users[entry] * len(common) + kinds, return_inverse=True, return_counts=True
    )
    others = train.user_counts[users[entry]] - 1
    # The row itself has the category: it is one of those counted.
    familiar = (counts[which] - 1 + PRIOR * common[kinds]) / (others + PRIOR)
    total = np.bincount(entry, familiar, len(items))
    return np.asarray(1 - total / np.maximum(np.bincount(entry, minlength=len(items)), 1))
