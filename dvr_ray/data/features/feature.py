"""The interface of feature families, and what they share.

"Left out" means that the row (u, i) itself is removed from the log before anything is computed for
it, so that a row can't vouch for itself: co(i, i') - 1 (u has both), n_i - 1, n_i' unchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from dvr_ray.data.features.pairs import PairStatistics, pair_statistics, transposed
from dvr_ray.data.interactions import Interactions
from dvr_ray.registry import Registry

__all__ = ["FEATURES", "Feature", "FeatureContext"]


class FeatureContext:
    """What features are computed from; shared results are computed once.

    Parameters
    ----------
    train : Interactions
        The training part.
    losses : ndarray, shape (n,), optional
        Running mean BPR loss of every row, once a warm-up has measured it.
    """

    def __init__(self, train: Interactions, losses: np.ndarray | None = None) -> None:
        self.train = train
        self._losses = losses

    @property
    def losses(self) -> np.ndarray:
        """Running mean losses."""
        assert self._losses is not None, "a feature that needs losses must say so"
        return self._losses

    @cached_property
    def by_item(self) -> PairStatistics:
        """Cosines of a row's item with the other items of its user."""
        return pair_statistics(self.train)

    @cached_property
    def by_user(self) -> PairStatistics:
        """Cosines of a row's user with the other users of its item, in the order of the rows."""
        order = self.train.item_order
        found = pair_statistics(transposed(self.train))
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return found.reordered(back)


class Feature(ABC):
    """A family of columns."""

    columns: tuple[str, ...]
    needs_losses = False

    @abstractmethod
    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return raw columns of every training row, shape (n, len(columns))."""


FEATURES: Registry[Feature] = Registry("feature", "dvr_ray.data.features")
