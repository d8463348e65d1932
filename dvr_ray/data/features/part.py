"""What features read of some users of a log, the rest of which was summed up before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dvr_ray.data.features.cosines import Cosines
from dvr_ray.data.features.feature import FeatureContext
from dvr_ray.data.interactions import Interactions

__all__ = ["LogPart", "PartContext", "WholeLog"]


@dataclass(frozen=True, eq=False)
class LogPart(Interactions):
    """All rows of some users, numbered from 0; items are counted over the whole log.

    Parameters
    ----------
    users, items, num_users, num_items
        As of `Interactions`.
    whole_item_counts : ndarray, shape (I,)
        Rows per item of the whole log.
    """

    whole_item_counts: np.ndarray

    @property
    def item_counts(self) -> np.ndarray:
        """Rows per item of the whole log, shape (I,)."""
        return self.whole_item_counts


@dataclass(frozen=True)
class WholeLog:
    """What is known of the log that parts are of.

    Parameters
    ----------
    categories : tuple
        As `category_numbers` has them.
    groups : dict of ndarray, shape (U,)
        Group of every user by attribute.
    group_counts : dict of ndarray, shape (I, G)
        Rows of every item by the group of their user.
    window : float
        How far "at about the same time" reaches.
    """

    categories: tuple[np.ndarray, np.ndarray, int] | None = None
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    group_counts: dict[str, np.ndarray] = field(default_factory=dict)
    window: float = 0.0


class PartContext(FeatureContext):
    """Serves features of some users' rows.

    Parameters
    ----------
    train : LogPart
        Their rows.
    users : ndarray, shape (u,)
        Their numbers in the whole log.
    whole : WholeLog
        What is known of it.
    losses, times : ndarray, shape (n,), optional
        As of `FeatureContext`.
    **found : ndarray or Cosines
        Other attributes of `FeatureContext` for these rows and users: cosines, nearest,
        percentiles, around_items; those that the wanted features read.
    """

    def __init__(
        self,
        train: LogPart,
        users: np.ndarray,
        whole: WholeLog,
        *,
        losses: np.ndarray | None = None,
        times: np.ndarray | None = None,
        **found: np.ndarray | Cosines,
    ) -> None:
        super().__init__(train, losses, times=times, exact_rows=0)
        self._numbers, self._whole = users, whole
        # Where the cached properties of the class would keep what they compute.
        known: dict[str, Any] = {"window": whole.window, "categories": whole.categories}
        self.__dict__.update(known | found)

    def groups(self, attribute: str) -> np.ndarray:
        """Group of these users, shape (u,)."""
        return np.asarray(self._whole.groups[attribute][self._numbers])

    def group_counts(self, attribute: str) -> np.ndarray:
        """Rows of every item of the whole log by the group of their user, shape (I, G)."""
        return self._whole.group_counts[attribute]
