"""How active the row's user and how popular its item is."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Counts"]


@FEATURES.add("counts")
class Counts(Feature):
    """Logs of the numbers of training rows."""

    columns = ("log user count", "log item count")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train = context.train
        user, item = train.user_counts[train.users], train.item_counts[train.items]
        logs: np.ndarray = np.log(np.stack([user, item], axis=1))
        return logs
