"""How active the row's user and how popular its item is."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Counts"]


@FEATURES.add("counts")
class Counts(Feature):
    """Logs of the numbers of training rows."""

    columns = ("log user count", "log item count")
    reads = ()

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train = context.train
        sides = (train.user_counts, train.users), (train.item_counts, train.items)
        # Users and items without rows have no logarithm, and need none.
        return np.stack([np.log(np.maximum(count, 1))[of] for count, of in sides], axis=1)
