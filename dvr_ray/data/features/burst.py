"""How much happened to a row's user, and to its item, at about the same time.

The window is a thousandth of the log's span to either side, ends included. Times must be those of a
clock: where they are places in a list, as in S3-Rec's files, the item's column says nothing.
"""

from __future__ import annotations

import numpy as np

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext

__all__ = ["Burst"]

WINDOW = 1e-3


@FEATURES.add("burst")
class Burst(Feature):
    """Numbers of the user's, and of the item's, other rows within a short time of the row."""

    columns = ("user's rows around", "item's rows around")
    needs_any = ("time",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        owners = context.train.users, context.train.items
        return np.stack([_around(owner, context.times) for owner in owners], axis=1)


def _around(owner: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Count each owner's other rows in the window round a row, shape (n,)."""
    moments, place = np.unique(times, return_inverse=True)
    window = WINDOW * (moments[-1] - moments[0])
    first = np.searchsorted(moments, times - window)
    last = np.searchsorted(moments, times + window, side="right")
    width = len(moments) + 1
    keys = np.sort(owner * width + place)
    within = np.searchsorted(keys, owner * width + last) - np.searchsorted(
        keys, owner * width + first
    )
    counts: np.ndarray = within - 1.0
    return counts
