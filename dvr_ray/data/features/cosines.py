"""What features read of the cosines within lists, exact or from samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dvr_ray.data.features.pairs import PairStatistics
from dvr_ray.data.interactions import Interactions

__all__ = ["Cosines"]


@dataclass(frozen=True)
class Cosines:
    """Agreement of a row (u, i) with its user's other items and its item's other users.

    Parameters
    ----------
    item_sum, item_mean, item_top : ndarray, shape (n,)
        Sum, mean and mean of the five largest left-out cosines of i with u's other items.
    user_mean : ndarray, shape (n,)
        Mean left-out cosine of u with i's other users.
    user_coherence, item_coherence : ndarray, shape (U,) and (I,)
        Mean pairwise cosine of the items in a user's list, of the users of an item.
    largest_share : ndarray, shape (I,)
        Largest co(i, i') / n_i with another item.
    """

    item_sum: np.ndarray
    item_mean: np.ndarray
    item_top: np.ndarray
    user_mean: np.ndarray
    user_coherence: np.ndarray
    item_coherence: np.ndarray
    largest_share: np.ndarray

    @classmethod
    def exact(cls, log: Interactions, items: PairStatistics, users: PairStatistics) -> Cosines:
        """Collect what `pair_statistics` found for both sides of a log."""
        user = np.bincount(log.users, items.plain_mean, log.num_users)
        item = np.bincount(log.items, users.plain_mean, log.num_items)
        return cls(
            items.left_out_sum,
            items.left_out_mean,
            items.left_out_top,
            users.left_out_mean,
            user / np.maximum(log.user_counts, 1),
            item / np.maximum(log.item_counts, 1),
            items.largest_share,
        )
