"""Whether the row's user looks like a copy of another, and its item like a companion of another."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Overlap"]


@FEATURES.add("overlap")
class Overlap(Feature):
    """Largest cosine of the user's list with another's; largest co(i, i') / n_i of the item."""

    columns = ("largest user cosine", "largest co-occurrence share")
    reads = ("cosines", "nearest")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train = context.train
        user = context.nearest[train.users]
        return np.stack([user, context.cosines.largest_share[train.items]], axis=1)
