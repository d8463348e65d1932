"""How many other rows of the same owner took place at about the same time as a row."""

from __future__ import annotations

import numpy as np

__all__ = ["around", "window"]

SHARE = 1e-3
"""Of the log's span, to either side."""


def window(times: np.ndarray) -> float:
    """Return how far "about the same time" reaches to either side.

    Parameters
    ----------
    times : ndarray, shape (n,)
        When each row of a log took place; or its first and last time.
    """
    return SHARE * float(times.max() - times.min())


def around(owner: np.ndarray, times: np.ndarray, reach: float) -> np.ndarray:
    """Count each owner's other rows in the window round a row, shape (n,).

    Parameters
    ----------
    owner : ndarray, shape (n,)
        Whose row it is.
    times : ndarray, shape (n,)
        When it took place.
    reach : float
        Of the window to either side, ends included.

    Returns
    -------
    ndarray, shape (n,), float64
    """
    moments, place = np.unique(times, return_inverse=True)
    first = np.searchsorted(moments, times - reach)
    last = np.searchsorted(moments, times + reach, side="right")
    width = len(moments) + 1
    owner = owner.astype(np.int64)
    keys = np.sort(owner * width + place)
    within = np.searchsorted(keys, owner * width + last) - np.searchsorted(
        keys, owner * width + first
    )
    counts: np.ndarray = within - 1.0
    return counts
