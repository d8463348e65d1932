"""Attacks that lift unpopular items, alone or hidden among random pairs."""

from __future__ import annotations

import numpy as np

from dvr_ray.config.schema import NoiseConfig
from dvr_ray.data.noise.kind import NOISES, NONE, Draft, NoiseKind, Scene
from dvr_ray.data.noise.pairs import Uniform
from dvr_ray.errors import DataError

__all__ = ["Mix", "Push"]


@NOISES.add("push")
class Push(NoiseKind):
    """A few unpopular items are given to random users that don't have them.

    ``targets`` items are drawn from the less popular half of those in training; each goes to
    ``users_per_target`` users, or to ``share`` n / ``targets`` of them.
    """

    reads = ("share", "targets", "users_per_target")

    def draft(self, scene: Scene) -> Draft:
        """Choose targets and their users."""
        keys, targets = _push(scene)
        return Draft(keys, targets=targets)


@NOISES.add("mix")
class Mix(NoiseKind):
    """``uniform`` noise of ``share``, and a push beside it, both as in the kinds of these names."""

    reads = Push.reads

    def draft(self, scene: Scene) -> Draft:
        """Choose the random pairs, then the attack."""
        uniform = Uniform().draft(scene).keys
        keys, targets = _push(scene.having(uniform))
        return Draft(np.concatenate([uniform, keys]), targets=targets)


def _push(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Keys of planted rows, and the pushed items."""
    train, config, rng = scene.train, scene.config, scene.rng
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
    free = scene.free(pairs)
    least = int(free.sum(axis=1).min())
    if per_target > least:
        raise DataError(
            "data.noise",
            f"a push gives each target to {per_target} users without it, one target has {least}",
            "lower data.noise.users_per_target or share",
        )
    return pairs[free & (np.cumsum(free, axis=1) <= per_target)], targets


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
