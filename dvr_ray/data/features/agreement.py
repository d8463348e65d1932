"""How well a row agrees with its neighbours: leave-one-out cosines."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Agreement"]


@FEATURES.add("agreement")
class Agreement(Feature):
    """Cosine of the item with the user's other items, of the user with the item's other users."""

    columns = ("mean item cosine", "mean of the top 5 item cosines", "mean user cosine")
    reads = ("cosines",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the three columns."""
        found = context.cosines
        return np.stack([found.item_mean, found.item_top, found.user_mean], axis=1)
