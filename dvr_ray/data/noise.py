"""Planted noise: rows added to the training part whose place is known, to check values against.

Only the training part gets noise; the measured parts stay clean, and no planted row is a true row
that was held out.

* ``uniform``: random pairs.
* ``push``: an attack that lifts a few unpopular items; each target is given to random real users.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dvr_ray.config.schema import NoiseConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import DataError
from dvr_ray.seeding import numpy_generator

__all__ = ["plant"]


def plant(
    train: Interactions, avoid: Sequence[Interactions], config: NoiseConfig, seed: int
) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Add noise to the training part.

    Parameters
    ----------
    train : Interactions
        Real training rows.
    avoid : sequence of Interactions
        Held-out parts, whose rows are never planted.
    config : NoiseConfig
        Kind and amount.
    seed : int
        Seed of the noise.

    Returns
    -------
    tuple
        Training rows with the planted ones, which of them are planted (bool), and pushed items.

    Raises
    ------
    DataError
        If there are not so many free pairs.
    """
    targets = np.empty(0, dtype=np.int64)
    rng = numpy_generator(seed, f"noise {config.kind}")
    if config.kind == "uniform":
        keys = _uniform(train, avoid, round(config.share * len(train)), rng)
    elif config.kind == "push":
        keys, targets = _push(train, avoid, config, rng)
    else:
        keys = np.empty(0, dtype=np.int64)
    merged = np.concatenate([train.keys, keys])
    planted = np.concatenate([np.zeros(len(train), bool), np.ones(len(keys), bool)])
    order = np.argsort(merged, kind="stable")
    merged = merged[order]
    rows = Interactions(
        merged // train.num_items, merged % train.num_items, train.num_users, train.num_items
    )
    return rows, planted[order], targets


def _uniform(
    train: Interactions, avoid: Sequence[Interactions], wanted: int, rng: np.random.Generator
) -> np.ndarray:
    """Keys of so many distinct free pairs."""
    taken = np.unique(np.concatenate([train.keys, *(part.keys for part in avoid)]))
    free = train.num_users * train.num_items - len(taken)
    if wanted > free // 2:
        raise DataError(
            "data.noise", f"{wanted} planted rows need at least twice as many free pairs, got {free}",
            "lower data.noise.share",
        )
    found = np.empty(0, dtype=np.int64)
    while len(found) < wanted:
        drawn = rng.integers(0, train.num_users * train.num_items, 2 * wanted)
        fresh = drawn[~np.isin(drawn, taken)]
        _, first = np.unique(np.concatenate([found, fresh]), return_index=True)
        found = np.concatenate([found, fresh])[np.sort(first)]
    return found[:wanted]


def _push(
    train: Interactions,
    avoid: Sequence[Interactions],
    config: NoiseConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of planted rows, and the pushed items."""
    present = np.flatnonzero(train.item_counts)
    by_popularity = present[np.argsort(train.item_counts[present], kind="stable")]
    candidates = by_popularity[: max(len(by_popularity) // 2, 1)]
    per_target = config.users_per_target or round(config.share * len(train) / config.targets)
    if config.targets > len(candidates) or per_target > train.num_users // 2:
        raise DataError(
            "data.noise",
            f"push needs {config.targets} unpopular items and {per_target} users each, the data "
            f"have {len(candidates)} and allow {train.num_users // 2}",
            "lower data.noise.targets, users_per_target or share",
        )
    targets = np.sort(rng.choice(candidates, config.targets, replace=False))
    # A random order of users for every target; the first ones that don't have the item are taken.
    users = np.argsort(rng.random((config.targets, train.num_users)), axis=1)
    pairs = users * train.num_items + targets[:, None]
    free = ~np.isin(pairs, np.concatenate([train.keys, *(part.keys for part in avoid)]))
    chosen = free & (np.cumsum(free, axis=1) <= per_target)
    return pairs[chosen], targets
