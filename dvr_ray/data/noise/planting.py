"""Puts noise into the training part.

Only the training part gets noise: the measured parts stay clean, and no planted row is a true row
of any part, held out or not. A planted user has rows in training alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dvr_ray.config.schema import NoiseConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.data.noise.kind import NOISES, Draft, Scene
from dvr_ray.data.noise.moments import within
from dvr_ray.errors import DataError
from dvr_ray.seeding import numpy_generator

__all__ = ["Planting", "plant"]


@dataclass(frozen=True)
class Planting:
    """A training part with noise in it.

    Parameters
    ----------
    train : Interactions, with n' rows
        Real and planted rows, sorted as ever; its users are the real and the planted ones.
    planted : ndarray of bool, shape (n',)
        Which of them are planted.
    targets : ndarray, shape (t,)
        Pushed items, increasing; empty unless rows were planted by a push.
    newcomers : ndarray, shape (c,)
        For every planted user, the user it is a copy of, or -1; they are numbered from U on.
    times : ndarray, shape (n',), or None
        When the rows took place.
    """

    train: Interactions
    planted: np.ndarray
    targets: np.ndarray
    newcomers: np.ndarray
    times: np.ndarray | None


def plant(
    train: Interactions,
    avoid: Sequence[Interactions],
    config: NoiseConfig,
    seed: int,
    times: np.ndarray | None = None,
) -> Planting:
    """Plant noise in the training part.

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
    times : ndarray, shape (n,), optional
        When the training rows took place.

    Returns
    -------
    Planting
        The training part with the planted rows, and which they are.

    Raises
    ------
    DataError
        If the log has no room for the noise, its share comes to nothing where each target or user
        must get a row, or ``users`` is set for a kind that doesn't read it.
    """
    draft = Draft()
    taken = np.sort(np.concatenate([train.keys, *(part.keys for part in avoid)]))
    scene = Scene(train, taken, config, numpy_generator(seed, f"noise {config.kind}"), times)
    if config.kind != "none":
        kind = NOISES.get(config.kind, "data.noise.kind")()
        if config.users is not None and "users" not in kind.reads:
            raise DataError(
                "data.noise.users",
                f"isn't read by {config.kind} noise, got {config.users}",
                "take it away",
            )
        draft = kind.draft(scene)
    return _planted(scene, draft)


def _planted(scene: Scene, draft: Draft) -> Planting:
    train = scene.train
    kept = np.ones(len(train), dtype=bool)
    kept[draft.removed] = False
    merged = np.concatenate([train.keys[kept], draft.keys])
    order = np.argsort(merged, kind="stable")
    users, items = np.divmod(merged[order], train.num_items)
    total = train.num_users + len(draft.newcomers)
    times = None
    if scene.times is not None:
        new = draft.times
        if new is None:
            new = within(scene, draft.keys // train.num_items)
        times = np.concatenate([scene.times[kept], new])[order]
    return Planting(
        Interactions(users, items, total, train.num_items),
        order >= kept.sum(),
        draft.targets,
        draft.newcomers,
        times,
    )
