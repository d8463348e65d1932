"""The interface of feature families, and what they share.

"Left out" means that the row (u, i) itself is removed from the log before anything is computed for
it, so that a row can't vouch for itself: co(i, i') - 1 (u has both), n_i - 1, n_i' unchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
import pandas as pd

from dvr_ray.data.attributes import category_numbers, groups_of
from dvr_ray.data.features.cosines import Cosines
from dvr_ray.data.features.moments import around, window
from dvr_ray.data.features.nearest import nearest_cosines
from dvr_ray.data.features.pairs import PairStatistics, pair_statistics, transposed
from dvr_ray.data.features.percentiles import sampled_percentiles
from dvr_ray.data.features.sampled import sampled_cosines
from dvr_ray.data.interactions import Interactions, TrialData
from dvr_ray.registry import Registry

__all__ = ["DYNAMIC", "EXACT_ROWS", "FEATURES", "Feature", "FeatureContext"]

DYNAMIC = ("embeddings", "products")
"""Entries of ``encoder.features`` that are read from the backbone anew, and no families here."""

EXACT_ROWS = 1_000_000


class FeatureContext:
    """What features are computed from; shared results are computed once.

    Parameters
    ----------
    train : Interactions
        The training part.
    losses : ndarray, shape (n,), optional
        Running mean BPR loss of every row, once a warm-up has measured it.
    user_table, item_table : DataFrame, index 0..U-1 and 0..I-1, optional
        Attributes; none by default.
    times : ndarray, shape (n,), optional
        When each row took place, in the source's unit.
    exact_rows : int
        Rows up to which cosines and percentiles are exact; beyond, they come from samples.
    """

    def __init__(
        self,
        train: Interactions,
        losses: np.ndarray | None = None,
        *,
        user_table: pd.DataFrame | None = None,
        item_table: pd.DataFrame | None = None,
        times: np.ndarray | None = None,
        exact_rows: int = EXACT_ROWS,
    ) -> None:
        self.train = train
        self.exact = len(train) <= exact_rows
        self._losses, self._times = losses, times
        self._users = pd.DataFrame() if user_table is None else user_table
        self._items = pd.DataFrame() if item_table is None else item_table

    @classmethod
    def of(cls, data: TrialData) -> FeatureContext:
        """Read what a trial's data say, without losses."""
        return cls(
            data.train, user_table=data.user_table, item_table=data.item_table, times=data.times
        )

    def has(self, need: str) -> bool:
        """Whether the data have ``category``, ``time``, or two groups of ``gender`` or ``age``."""
        match need:
            case "time":
                return self._times is not None
            case "category":
                return "category" in self._items and self.categories[2] > 0
        # One group alone isn't skewed.
        return len(np.unique(self.groups(need)[self.groups(need) >= 0])) > 1

    @property
    def times(self) -> np.ndarray:
        """When each row took place, shape (n,)."""
        assert self._times is not None, "a feature that needs times must say so"
        return self._times

    @cached_property
    def categories(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Offsets (I + 1,), category numbers and their number, as `category_numbers` has them."""
        return category_numbers(self._items["category"])

    def groups(self, attribute: str) -> np.ndarray:
        """Group of every user by ``gender`` or ``age``, shape (U,); -1 where it isn't known."""
        return groups_of(self._users, attribute, self.train.num_users)

    def group_counts(self, attribute: str) -> np.ndarray:
        """Rows of every item by the group of their user, shape (I, G); of known groups alone."""
        owner = self.groups(attribute)
        number = int(owner.max(initial=-1)) + 1
        own = owner[self.train.users]
        cells = self.train.items[own >= 0] * number + own[own >= 0]
        counts = np.bincount(cells, minlength=self.train.num_items * number)
        return counts.reshape(self.train.num_items, number)

    @cached_property
    def window(self) -> float:
        """How far "at about the same time" reaches to either side, in the unit of the times."""
        return window(self.times)

    @cached_property
    def around_items(self) -> np.ndarray:
        """Other rows of each row's item at about the same time, shape (n,)."""
        return around(self.train.items, self.times, self.window)

    @property
    def losses(self) -> np.ndarray:
        """Running mean losses."""
        assert self._losses is not None, "a feature that needs losses must say so"
        return self._losses

    @cached_property
    def cosines(self) -> Cosines:
        """Cosines within lists, of items and of users."""
        if self.exact:
            return Cosines.exact(self.train, self.by_item, self.by_user)
        return sampled_cosines(self.train)

    @cached_property
    def nearest(self) -> np.ndarray:
        """Largest cosine of each user's list with another's, shape (U,)."""
        return self.by_user.largest_cosine if self.exact else nearest_cosines(self.train)

    @cached_property
    def percentiles(self) -> np.ndarray:
        """Places in the user's and in the item's ranking among sampled scores, shape (n, 2)."""
        return sampled_percentiles(self.train, self.cosines.item_sum)

    @cached_property
    def by_item(self) -> PairStatistics:
        """Exact cosines of a row's item with the other items of its user."""
        return pair_statistics(self.train)

    @cached_property
    def by_user(self) -> PairStatistics:
        """Exact cosines of a row's user with its item's other users, in the order of the rows."""
        order = self.train.item_order
        found = pair_statistics(transposed(self.train))
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return found.reordered(back)


class Feature(ABC):
    """A family of columns."""

    columns: tuple[str, ...]
    needs_losses = False
    needs_any: tuple[str, ...] = ()
    """``category``, ``gender``, ``age`` or ``time``: the data must have at least one of these."""

    reads: tuple[str, ...] | None = None
    """What `compute` asks of the context, by names of its attributes, beside ``train`` and losses:
    all that it reads of other users' rows. Logs are valued in parts, some users with their rows and
    the log's ``train.item_counts`` at a time; a family that says None can't be had of long ones."""

    @abstractmethod
    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return raw columns of every training row, shape (n, len(columns))."""


FEATURES: Registry[Feature] = Registry("feature", "dvr_ray.data.features")
