"""What a warm-up's losses say of a row and of its user's other rows."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Loss"]


@FEATURES.add("loss")
class Loss(Feature):
    """Minus the row's running mean BPR loss, and minus the mean of the user's other rows."""

    columns = ("minus loss", "minus loss of the user's other rows")
    reads = ()
    needs_losses = True

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns; a user's only row counts as its own other."""
        train, losses = context.train, context.losses
        found = np.stack([losses, losses], axis=1)
        others = np.bincount(train.users, losses, train.num_users)[train.users] - losses
        others /= np.maximum(train.user_counts - 1, 1)[train.users]
        np.copyto(found[:, 1], others, where=(train.user_counts > 1)[train.users])
        negated: np.ndarray = np.negative(found, out=found)
        return negated
