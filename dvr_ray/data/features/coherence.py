"""How coherent the row's user and item are: mean pairwise cosine within their lists."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Coherence"]


@FEATURES.add("coherence")
class Coherence(Feature):
    """Mean pairwise item cosine in the user's list, mean pairwise user cosine of the item."""

    columns = ("user coherence", "item coherence")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train = context.train
        user = np.bincount(train.users, context.by_item.plain_mean, train.num_users)
        item = np.bincount(train.items, context.by_user.plain_mean, train.num_items)
        user = user / np.maximum(train.user_counts, 1)
        item = item / np.maximum(train.item_counts, 1)
        return np.stack([user[train.users], item[train.items]], axis=1)
