"""Fake users: bots that share one list, and copies of real users."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.interactions import entries_of
from dvr_ray.data.noise.kind import NOISES, Draft, NoiseKind, Scene
from dvr_ray.data.noise.moments import bursts
from dvr_ray.errors import DataError

__all__ = ["Bots", "Duplicates"]


@NOISES.add("bots")
class Bots(NoiseKind):
    """New users (200, or ``users``) who all have the same random items, ``share`` n rows in all."""

    reads = ("share", "users")

    def draft(self, scene: Scene) -> Draft:
        """Draw one list among the items in training and give it to every bot."""
        train, bots = scene.train, scene.config.users or 200
        length = round(scene.config.share * len(train) / bots)
        if not scene.config.share:
            return Draft()
        present = np.flatnonzero(train.item_counts)
        # A bot, too, needs an item as a negative.
        if not 0 < length < train.num_items or length > len(present):
            raise DataError(
                "data.noise",
                f"{bots} bots must get a list of 1 to {min(len(present), train.num_items - 1)} "
                f"items, got {length}",
                f"{'lower' if length else 'raise'} data.noise.share or "
                f"{'raise' if length else 'lower'} data.noise.users",
            )
        items = np.sort(scene.rng.choice(present, length, replace=False))
        users = train.num_users + np.arange(bots)
        keys = (users[:, None] * train.num_items + items).ravel()
        return Draft(keys, bursts(scene, np.repeat(users, length)), newcomers=np.full(bots, -1))


@NOISES.add("duplicates")
class Duplicates(NoiseKind):
    """Real users are copied with all their rows, until that comes to ``share`` n rows.

    A copy has its original's attributes and times.
    """

    def draft(self, scene: Scene) -> Draft:
        """Copy users in a random order, as long as the next one fits."""
        train = scene.train
        if scene.wanted > len(train):
            raise DataError(
                "data.noise.share",
                f"must be at most 1 for duplicates, got {scene.config.share}",
                "lower it",
            )
        order = scene.rng.permutation(np.flatnonzero(train.user_counts))
        fits = np.cumsum(train.user_counts[order]) <= scene.wanted
        copied = order[fits]
        if scene.config.share and not len(copied):
            raise DataError(
                "data.noise.share",
                f"{scene.config.share} of {len(train)} rows must come to a whole user to copy, "
                f"the first drawn has {train.user_counts[order[0]]}",
                "raise data.noise.share",
            )
        owners, places = entries_of(train.user_offsets, copied)
        users = train.num_users + owners
        keys = users * train.num_items + train.items[places]
        times = None if scene.times is None else scene.times[places]
        return Draft(keys, times, newcomers=copied)
