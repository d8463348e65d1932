"""How coherent the row's user and item are: mean pairwise cosine within their lists."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Coherence"]


@FEATURES.add("coherence")
class Coherence(Feature):
    """Mean pairwise item cosine in the user's list, mean pairwise user cosine of the item."""

    columns = ("user coherence", "item coherence")
    reads = ("cosines",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train, found = context.train, context.cosines
        user, item = found.user_coherence[train.users], found.item_coherence[train.items]
        return np.stack([user, item], axis=1)
