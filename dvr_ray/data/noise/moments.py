"""When planted rows took place, where the log has times."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.noise.kind import Scene

__all__ = ["bursts", "within"]

BURST = 1e-3


def within(scene: Scene, users: np.ndarray) -> np.ndarray | None:
    """Draw a moment between the first and the last training row of each user.

    Parameters
    ----------
    scene : Scene
        The log.
    users : ndarray, shape (p,)
        Owners of planted rows. One without training rows may act at any time of the log.

    Returns
    -------
    ndarray, shape (p,), or None
        In the log's own unit and type; None where it has no times.
    """
    times, train = scene.times, scene.train
    if times is None:
        return None
    first = np.full(train.num_users, times.min())
    last = np.full(train.num_users, times.max())
    present = np.flatnonzero(train.user_counts)
    starts = train.user_offsets[present]
    first[present] = np.minimum.reduceat(times, starts)
    last[present] = np.maximum.reduceat(times, starts)
    moments = first[users] + scene.rng.random(len(users)) * (last[users] - first[users])
    return np.asarray(moments.astype(times.dtype))


def bursts(scene: Scene, users: np.ndarray) -> np.ndarray | None:
    """Draw moments that lie close together for each user: within a thousandth of the log's span.

    Parameters
    ----------
    scene : Scene
        The log.
    users : ndarray, shape (p,)
        Owners of planted rows; may be newcomers.

    Returns
    -------
    ndarray, shape (p,), or None
        In the log's own unit and type; None where it has no times.
    """
    times = scene.times
    if times is None:
        return None
    owners, place = np.unique(users, return_inverse=True)
    starts = scene.rng.choice(times, len(owners))
    width = BURST * (times.max() - times.min())
    return np.asarray((starts[place] + scene.rng.random(len(users)) * width).astype(times.dtype))
