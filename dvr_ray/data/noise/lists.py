"""Real users whose lists get items that aren't theirs."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.noise.kind import NOISES, NONE, Draft, NoiseKind, Scene
from dvr_ray.data.noise.moments import bursts
from dvr_ray.errors import DataError

__all__ = ["Floods", "HalfUsers", "Stale"]

DONORS = 200


@NOISES.add("half-users")
class HalfUsers(NoiseKind):
    """Half of the users (or ``users`` of them) get random items, the other half stays clean.

    All ``share`` n rows go to the chosen users, in proportion to the lengths of their lists: with
    half of the users, share .3 adds about 60% to each of their lists.
    """

    reads = ("share", "users")

    def draft(self, scene: Scene) -> Draft:
        """Choose users, then items."""
        return Draft(_random_items(scene, *_quotas(scene)))


@NOISES.add("floods")
class Floods(NoiseKind):
    """A few real users (5, or ``users``) are flooded with random items, all within a short time.

    They share ``share`` n rows evenly.
    """

    reads = ("share", "users")

    def draft(self, scene: Scene) -> Draft:
        """Choose users, then items."""
        users = _chosen(scene, scene.config.users or 5)
        ends = np.arange(len(users) + 1) * scene.wanted // len(users)
        keys = _random_items(scene, users, np.diff(ends))
        return Draft(keys, bursts(scene, keys // scene.train.num_items))


@NOISES.add("stale")
class Stale(NoiseKind):
    """Half of the users (or ``users`` of them) carry another user's items from the past.

    Amounts as in ``half-users``; the items are those of one other user, of a second one where the
    first has too few. Where the log has times, they lie in the older half of the user's own.
    """

    reads = ("share", "users")

    def draft(self, scene: Scene) -> Draft:
        """Choose users, then whose items they carry."""
        users, wanted = _quotas(scene)
        found = [_borrowed(scene, int(u), int(k)) for u, k in zip(users, wanted, strict=True)]
        keys = np.concatenate([NONE, *found])
        return Draft(keys, _older(scene, keys // scene.train.num_items))


def _chosen(scene: Scene, number: int) -> np.ndarray:
    """Choose so many users that have training rows, increasing."""
    present = np.flatnonzero(scene.train.user_counts)
    if number > len(present):
        raise DataError(
            "data.noise.users",
            f"must be at most the {len(present)} users with training rows, got {number}",
            "lower data.noise.users",
        )
    return np.sort(scene.rng.choice(present, number, replace=False))


def _quotas(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Chosen users, and each one's number of rows, in proportion to the lists."""
    counts = scene.train.user_counts
    users = _chosen(scene, scene.config.users or max(int((counts > 0).sum()) // 2, 1))
    ends = np.cumsum(counts[users])
    return users, np.diff(np.rint(ends * scene.wanted / ends[-1]).astype(np.int64), prepend=0)


def _random_items(scene: Scene, users: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Keys of so many random free items for each of some users."""
    return np.concatenate([
        NONE, *(_some(scene, int(u), np.arange(scene.train.num_items), int(k), exact=True)
                for u, k in zip(users, wanted, strict=True)),
    ])  # fmt: skip


def _some(
    scene: Scene, user: int, items: np.ndarray, wanted: int, *, exact: bool = False
) -> np.ndarray:
    """Keys of so many of the items that are free for a user; as many as there are, if not exact."""
    free = np.setdiff1d(items, scene.items_of(user))
    if exact and wanted > len(free):
        raise DataError(
            "data.noise",
            f"{scene.config.kind} gives a user {wanted} items that it doesn't have, "
            f"one has {len(free)} left",
            "lower data.noise.share or raise data.noise.users",
        )
    chosen = scene.rng.choice(free, min(wanted, len(free)), replace=False)
    return np.asarray(user * scene.train.num_items + chosen)


def _borrowed(scene: Scene, user: int, wanted: int) -> np.ndarray:
    """Keys of so many items of other users."""
    train, rng = scene.train, scene.rng
    found = NONE
    for _ in range(DONORS):
        if len(found) == wanted:
            return found
        # Users with long lists have more to lend: donors are owners of random rows.
        donor = train.users[rng.integers(len(train))]
        items = train.items[train.user_offsets[donor] : train.user_offsets[donor + 1]]
        fresh = np.setdiff1d(items, found - user * train.num_items)
        found = np.concatenate([found, _some(scene, user, fresh, wanted - len(found))])
    if len(found) == wanted:
        return found
    raise DataError(
        "data.noise",
        f"stale gives a user {wanted} items of others, one found {len(found)}",
        "lower data.noise.share or raise data.noise.users",
    )


def _older(scene: Scene, users: np.ndarray) -> np.ndarray | None:
    """Random moments in the older half of the users' own times."""
    if scene.times is None:
        return None
    order = np.lexsort((scene.times, scene.train.users))
    times = scene.times[order]
    offsets = scene.train.user_offsets
    middle = (offsets[users] + offsets[users + 1] - 1) // 2
    first = times[offsets[users]]
    moments = first + scene.rng.random(len(users)) * (times[middle] - first)
    return np.asarray(moments).astype(scene.times.dtype)
