"""How popular the row's item is, on its own: for rewards of concentration and coverage.

The family ``counts`` holds the same column beside the user's activity.
"""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Popularity"]


@FEATURES.add("popularity")
class Popularity(Feature):
    """Log of the item's number of training rows."""

    columns = ("log item count",)
    reads = ()

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the column."""
        train = context.train
        logs: np.ndarray = np.log(train.item_counts[train.items])[:, None]
        return logs
