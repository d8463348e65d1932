"""Pairs at random: of any user and item, of popular items, and rows whose items are exchanged."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.noise.kind import NOISES, NONE, Draft, NoiseKind, Scene
from dvr_ray.errors import DataError

__all__ = ["Popular", "Swapped", "Uniform"]

ROUNDS = 200


@NOISES.add("uniform")
class Uniform(NoiseKind):
    """``share`` n distinct pairs, each free pair equally likely."""

    def draft(self, scene: Scene) -> Draft:
        """Choose the pairs."""
        return Draft(_uniform(scene, scene.wanted))


@NOISES.add("popular")
class Popular(NoiseKind):
    """``share`` n distinct pairs of any user and an item drawn by its number of rows."""

    def draft(self, scene: Scene) -> Draft:
        """Draw again what is taken, or was drawn before."""
        train, wanted = scene.train, scene.wanted
        found = NONE
        for _ in range(ROUNDS):
            missing = wanted - len(found)
            if not missing:
                return Draft(found)
            users = scene.rng.integers(0, train.num_users, 2 * missing + 64)
            # The item of a random row is an item drawn by its number of rows.
            items = train.items[scene.rng.integers(0, len(train), len(users))]
            drawn = users * train.num_items + items
            found = _distinct(np.concatenate([found, drawn[scene.free(drawn)]]))[:wanted]
        raise DataError(
            "data.noise",
            f"popular noise of {wanted} rows needs as many pairs without a row, found {len(found)}",
            "lower data.noise.share",
        )


@NOISES.add("swapped")
class Swapped(NoiseKind):
    """``share`` n real rows change items with each other, two by two.

    Lists keep their lengths and items their popularity; a row keeps its time.
    """

    def draft(self, scene: Scene) -> Draft:
        """Match rows at random; two swap if neither gets a pair that is taken or planted."""
        train, pairs = scene.train, scene.wanted // 2
        left = np.arange(len(train))
        rows, keys, known = NONE, NONE, scene
        for _ in range(ROUNDS):
            if len(rows) == 2 * pairs:
                break
            matched = scene.rng.permutation(left)[: len(left) // 2 * 2].reshape(-1, 2)
            new = train.users[matched] * train.num_items + train.items[matched[:, ::-1]]
            fits = known.free(new).all(axis=1)
            matched, new = matched[fits], new[fits]
            first = np.zeros(new.size, dtype=bool)
            first[np.unique(new, return_index=True)[1]] = True
            able = np.flatnonzero(first.reshape(-1, 2).all(axis=1))[: pairs - len(rows) // 2]
            rows = np.concatenate([rows, matched[able].ravel()])
            keys = np.concatenate([keys, new[able].ravel()])
            known, left = scene.having(keys), np.setdiff1d(left, rows)
        if len(rows) < 2 * pairs:
            raise DataError(
                "data.noise.share",
                f"{2 * pairs} of {len(train)} rows must find a row to swap items with, "
                f"{len(rows)} did",
                "lower data.noise.share",
            )
        return Draft(keys, None if scene.times is None else scene.times[rows], removed=rows)


def _uniform(scene: Scene, wanted: int) -> np.ndarray:
    """Keys of so many distinct free pairs."""
    pairs = scene.train.num_users * scene.train.num_items
    taken = scene.taken
    free = pairs - len(taken[:1]) - int((taken[1:] > taken[:-1]).sum())
    if wanted > free:
        raise DataError(
            "data.noise",
            f"uniform noise of {wanted} rows needs as many pairs without a row, got {free}",
            "lower data.noise.share",
        )
    if 2 * wanted > free:
        # Hardly larger than the log itself, since share is bounded: the free pairs can be listed.
        return scene.rng.choice(np.setdiff1d(np.arange(pairs), taken), wanted, replace=False)
    found = NONE
    while len(found) < wanted:
        drawn = scene.rng.integers(0, pairs, 2 * wanted + 64)
        found = _distinct(np.concatenate([found, drawn[scene.free(drawn)]]))
    return found[:wanted]


def _distinct(keys: np.ndarray) -> np.ndarray:
    """Each key once, in the order of drawing: cut by size, they would favour early users."""
    return keys[np.sort(np.unique(keys, return_index=True)[1])]
