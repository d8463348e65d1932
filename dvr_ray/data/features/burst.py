"""How much happened to a row's user, and to its item, at about the same time.

The window is a thousandth of the log's span to either side, ends included. Times must be those of a
clock: where they are places in a list, as in S3-Rec's files, the item's column says nothing.
"""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext
from dvr_ray.data.features.moments import around

__all__ = ["Burst"]


@FEATURES.add("burst")
class Burst(Feature):
    """Numbers of the user's, and of the item's, other rows within a short time of the row."""

    columns = ("user's rows around", "item's rows around")
    reads = ("times", "around_items")
    needs_any = ("time",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        by_user = around(context.train.users, context.times, context.window)
        return np.stack([by_user, context.around_items], axis=1)
