"""Where a row stands in its user's own sequence, where the log has times."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Recency"]


@FEATURES.add("recency")
class Recency(Feature):
    """Share of the user's other rows that are earlier, 0 to 1; equal times count half."""

    columns = ("place in the user's sequence",)
    reads = ("times",)
    needs_any = ("time",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the column; .5 for a user's only row."""
        train = context.train
        _, moments = np.unique(context.times, return_inverse=True)
        width = int(moments.max()) + 1
        keys = train.users * width + moments
        ordered = np.sort(keys)
        start = train.user_offsets[train.users]
        below = np.searchsorted(ordered, keys) - start
        up_to = np.searchsorted(ordered, keys, side="right") - start - 1
        others = train.user_counts[train.users] - 1
        place = np.where(others, (below + up_to) / np.maximum(2 * others, 1), 0.5)
        return place[:, None]
