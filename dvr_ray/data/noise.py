"""Planted noise: rows added to the training part whose place is known, to check values against.

Only the training part gets noise: the measured parts stay clean, and no planted row is a true row
of any part, held out or not.

* ``uniform``: ``round(share n)`` distinct pairs, each free pair equally likely.
* ``push``: an attack that lifts unpopular items. ``targets`` items are drawn from the less popular
  half of those in training; each is given to ``users_per_target`` random users that don't have it,
  or to ``round(share n / targets)`` of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dvr_ray.config.schema import NoiseConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import DataError
from dvr_ray.seeding import numpy_generator

__all__ = ["plant"]

NONE = np.empty(0, dtype=np.int64)


def plant(
    train: Interactions, avoid: Sequence[Interactions], config: NoiseConfig, seed: int
) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Add noise to the training part.

    Parameters
    ----------
    train : Interactions
        Real training rows, n of them.
    avoid : sequence of Interactions
        Held-out parts, whose rows are never planted; they get no noise themselves.
    config : NoiseConfig
        Kind and amount.
    seed : int
        Seed of the noise.

    Returns
    -------
    Interactions, with n' >= n rows
        Real and planted rows, sorted as ever.
    ndarray of bool, shape (n',)
        Which of them are planted.
    ndarray, shape (t,)
        Pushed items, increasing; empty unless rows were planted by a push.

    Raises
    ------
    DataError
        If there are not so many free pairs or unpopular items, or a push of a share above 0 comes
        to no row per target.
    """
    taken = np.sort(np.concatenate([train.keys, *(part.keys for part in avoid)]))
    rng = numpy_generator(seed, f"noise {config.kind}")
    keys, targets = NONE, NONE
    if config.kind == "uniform":
        keys = _uniform(train, taken, round(config.share * len(train)), rng)
    elif config.kind == "push":
        keys, targets = _push(train, taken, config, rng)
    merged = np.concatenate([train.keys, keys])
    order = np.argsort(merged, kind="stable")
    users, items = np.divmod(merged[order], train.num_items)
    rows = Interactions(users, items, train.num_users, train.num_items)
    return rows, order >= len(train), targets


def _uniform(
    train: Interactions, taken: np.ndarray, wanted: int, rng: np.random.Generator
) -> np.ndarray:
    """Keys of so many distinct free pairs; ``taken`` is sorted."""
    pairs = train.num_users * train.num_items
    free = pairs - len(taken[:1]) - int((taken[1:] > taken[:-1]).sum())
    if wanted > free:
        raise DataError(
            "data.noise",
            f"uniform noise of {wanted} rows needs as many pairs without a row, got {free}",
            "lower data.noise.share",
        )
    if 2 * wanted > free:
        # Hardly larger than the log itself, since share is bounded: the free pairs can be listed.
        return rng.choice(np.setdiff1d(np.arange(pairs), taken), wanted, replace=False)
    found = NONE
    while len(found) < wanted:
        drawn = rng.integers(0, pairs, 2 * wanted + 64)
        found = np.concatenate([found, drawn[_free(drawn, taken)]])
        # Kept in the order of drawing: cut by size of the key, they would favour early users.
        found = found[np.sort(np.unique(found, return_index=True)[1])]
    return found[:wanted]


def _push(
    train: Interactions, taken: np.ndarray, config: NoiseConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of planted rows, and the pushed items."""
    per_target = _users_per_target(config, len(train))
    if not per_target:
        return NONE, NONE
    present = np.flatnonzero(train.item_counts)
    by_popularity = present[np.argsort(train.item_counts[present], kind="stable")]
    candidates = by_popularity[: max(len(by_popularity) // 2, 1)]
    if config.targets > len(candidates):
        raise DataError(
            "data.noise.targets",
            f"a push needs as many unpopular items as targets, got {config.targets} targets and "
            f"{len(candidates)} items",
            "lower data.noise.targets",
        )
    targets = np.sort(rng.choice(candidates, config.targets, replace=False))
    # A random order of users for every target; the first ones that don't have the item are taken.
    users = np.argsort(rng.random((config.targets, train.num_users)), axis=1)
    pairs = users * train.num_items + targets[:, None]
    free = _free(pairs, taken)
    least = int(free.sum(axis=1).min())
    if per_target > least:
        raise DataError(
            "data.noise",
            f"a push gives each target to {per_target} users without it, one target has {least}",
            "lower data.noise.users_per_target or share",
        )
    return pairs[free & (np.cumsum(free, axis=1) <= per_target)], targets


def _free(keys: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Tell which keys aren't taken; ``taken`` is sorted and holds at least one."""
    place = np.minimum(np.searchsorted(taken, keys), len(taken) - 1)
    return np.asarray(taken[place] != keys)


def _users_per_target(config: NoiseConfig, rows: int) -> int:
    if config.users_per_target is not None:
        return config.users_per_target
    per_target = round(config.share * rows / config.targets)
    if config.share > 0 and not per_target:
        raise DataError(
            "data.noise.share",
            f"{config.share} of {rows} rows must come to a row for each of the "
            f"{config.targets} targets",
            "raise data.noise.share or lower data.noise.targets",
        )
    return per_target
