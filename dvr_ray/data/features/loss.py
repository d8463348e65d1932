"""What a warm-up's losses say of a row and of its user's other rows."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Loss"]


@FEATURES.add("loss")
class Loss(Feature):
    """Minus the row's running mean BPR loss, and minus the mean of the user's other rows."""

    columns = ("minus loss", "minus loss of the user's other rows")
    needs_losses = True

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns; a user's only row counts as its own other."""
        train, losses = context.train, context.losses
        total = np.bincount(train.users, losses, train.num_users)[train.users]
        count = train.user_counts[train.users]
        others = np.where(count > 1, (total - losses) / np.maximum(count - 1, 1), losses)
        return -np.stack([losses, others], axis=1)
