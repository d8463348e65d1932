"""Four disjoint parts: train, validation-reward, validation-selection, and the sealed test.

A user with m rows gives ``floor(m share + uniform)`` of them to each held-out part, so that small
users contribute in expectation, and keeps at least one for training. Where test rows came with the
data, the split draws only the other three.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from dvr_ray.config.schema import NoiseConfig, SplitConfig
from dvr_ray.data.interactions import Dataset, Interactions, SealedTest, TrialData
from dvr_ray.data.noise import plant
from dvr_ray.errors import DataError
from dvr_ray.seeding import numpy_generator

__all__ = ["split"]


def split(
    dataset: Dataset, config: SplitConfig, noise: NoiseConfig, noise_seed: int
) -> tuple[TrialData, SealedTest]:
    """Split a log, plant noise in its training part, and seal its test part.

    Parameters
    ----------
    dataset : Dataset
        The log.
    config : SplitConfig
        Shares and seed.
    noise : NoiseConfig
        What is planted.
    noise_seed : int
        Seed of the noise.

    Raises
    ------
    DataError
        If a part would be empty, or a user has every item and so no negative.
    """
    log = dataset.interactions
    if not len(log):
        raise DataError(dataset.name, "there are no interactions", "check the source")
    shares = [config.reward, config.selection]
    if dataset.test is None:
        shares.append(config.test)
    part = _assign(log, shares, config.seed)
    pieces = [_take(log, part == number) for number in range(len(shares) + 1)]
    test = dataset.test if dataset.test is not None else pieces[3]
    for name, piece in zip(("train", "reward", "selection"), pieces, strict=False):
        if not len(piece):
            raise DataError(
                dataset.name, f"the {name} part is empty with {len(log)} rows",
                "use more data or change split.reward and split.selection",
            )
    train, planted, targets = plant(pieces[0], [*pieces[1:3], test], noise, noise_seed)
    _check_negatives(train, dataset.name)
    options = f"{dataset.fingerprint}/{config!r}/{noise!r}/{noise_seed}"
    data = TrialData(
        name=dataset.name,
        fingerprint=hashlib.sha256(options.encode()).hexdigest()[:16],
        train=train,
        reward=pieces[1],
        selection=pieces[2],
        planted=planted if planted.any() else None,
        push_targets=targets,
        user_ids=dataset.user_ids,
        item_ids=dataset.item_ids,
        user_table=dataset.user_table,
        item_table=dataset.item_table,
    )
    return data, SealedTest(test)


def _assign(log: Interactions, shares: Sequence[float], seed: int) -> np.ndarray:
    """Part of every row: 0 for train, then the held-out parts in order; shape (n,)."""
    rng = numpy_generator(seed, "split")
    counts = log.user_counts
    given = np.floor(counts[:, None] * np.array(shares) + rng.random((len(counts), len(shares))))
    # Later parts give way so that a row is left to train with.
    ends = np.minimum(np.cumsum(given, axis=1), np.maximum(counts - 1, 0)[:, None])
    order = np.lexsort((rng.random(len(log)), log.users))
    rank = np.empty(len(log), dtype=np.int64)
    rank[order] = np.arange(len(log)) - log.user_offsets[log.users[order]]
    passed = rank[:, None] >= ends[log.users]
    number = passed.sum(1)
    return np.where(number == len(shares), 0, number + 1)


def _take(log: Interactions, rows: np.ndarray) -> Interactions:
    return Interactions(log.users[rows], log.items[rows], log.num_users, log.num_items)


def _check_negatives(train: Interactions, name: str) -> None:
    full = int((train.user_counts >= train.num_items).sum())
    if full:
        raise DataError(
            name, f"{full} users have all {train.num_items} items in training, so no negative",
            "remove these users or add items",
        )
