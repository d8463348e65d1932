"""Four disjoint parts: train, validation-reward, validation-selection, and the sealed test.

With shares s_1, s_2, s_3 of reward, selection and test, and S_k = s_1 + ... + s_k, a user with m
rows gives ``floor(m S_k + u) - floor(m S_(k-1) + u)`` of them to part k, u ~ U[0, 1) per user. As
the fraction of ``m S_(k-1) + u`` is uniform too, that is ``floor(m s_k + u_k)`` with a uniform u_k:
small users contribute in expectation. One u for all parts keeps their sum within 1 of ``m S_3``, so
that parts seldom compete for a small user's rows. At least one row stays in training, which a later
part yields. Which rows go where is uniform. Where test rows came with the data, the split draws
only the other three parts.

With ``before``, m counts the user's rows that are older, and the others all train: a log that was
attacked is measured by what is older than the attack.

With ``by: time``, a user's last rows are held out: the latest ``last`` for test, those before for
selection, those before for reward. Equal times are in the order of the file. A user's first row
always stays in training, so that short lists give to test first, then to selection.

Where all parts came with the data (source ``parts``), they are taken as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from dvr_ray.config.schema import NoiseConfig, SplitConfig
from dvr_ray.data.interactions import Dataset, Interactions, SealedTest, TrialData
from dvr_ray.data.noise import plant, with_newcomers
from dvr_ray.errors import ConfigError, DataError
from dvr_ray.seeding import numpy_generator

__all__ = ["split"]

VERSION = 2
NAMES = ("train", "reward", "selection", "test")


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

    Returns
    -------
    TrialData
        What a trial may see; ``features`` is empty, `dvr_ray.training.prepare` fills it.
    SealedTest
        The given test part, or the drawn one.

    Raises
    ------
    ConfigError
        If the shares leave nothing for training.
    DataError
        If a part would be empty, two parts share a row, a user has every item and so no negative,
        or the noise doesn't fit.
    """
    parts, times = _parts(dataset, config)
    noisy = plant(parts[0], parts[1:], noise, noise_seed, times)
    train = noisy.train
    parts[0] = train
    if len(noisy.newcomers):
        # Planted users are in the catalogue of every part, without a row in the measured ones.
        parts = [replace(part, num_users=train.num_users) for part in parts]
    user_ids, user_table = with_newcomers(dataset.user_ids, dataset.user_table, noisy.newcomers)
    _check_disjoint(parts, dataset.name)
    _check_negatives(train, dataset.name)
    data = TrialData(
        name=dataset.name,
        fingerprint=_fingerprint(dataset, config, noise, noise_seed),
        train=train,
        reward=parts[1],
        selection=parts[2],
        planted=None if noise.kind == "none" else noisy.planted,
        push_targets=noisy.targets,
        user_ids=user_ids,
        item_ids=dataset.item_ids,
        user_table=user_table,
        item_table=dataset.item_table,
        times=noisy.times,
    )
    return data, SealedTest(parts[3])


def _shares(dataset: Dataset, config: SplitConfig) -> list[float]:
    """Shares of the parts that are drawn."""
    shares = [config.reward, config.selection]
    if dataset.test is None:
        shares.append(config.test)
    if sum(shares) >= 1:
        raise ConfigError(
            "split",
            f"shares of the held-out parts must sum to less than 1, got {sum(shares):g}",
            f"lower {', '.join(f'split.{name}' for name in NAMES[1 : len(shares) + 1])}",
        )
    return shares


def _parts(dataset: Dataset, config: SplitConfig) -> tuple[list[Interactions], np.ndarray | None]:
    """Train, reward, selection and test, none of them empty, and the times of train."""
    log, times = dataset.interactions, dataset.times
    number = np.zeros(len(log), dtype=np.int64)
    if not len(log):
        raise DataError(dataset.name, "no user has an interaction to train on", "check the source")
    if dataset.reward is not None and dataset.selection is not None:
        parts = [log, dataset.reward, dataset.selection]
    elif config.by == "time":
        number = _latest(dataset, config.last)
        parts = [_take(log, number == part) for part in range(3 if dataset.test is not None else 4)]
    else:
        shares = _shares(dataset, config)
        number = _assign(log, shares, config.seed, _eligible(dataset, config.before))
        parts = [_take(log, number == part) for part in range(len(shares) + 1)]
    if dataset.test is not None:
        parts.append(dataset.test)
    for name, part in zip(NAMES, parts, strict=True):
        if not len(part):
            raise DataError(
                dataset.name,
                f"the {name} part must hold rows, got none of {len(log)}",
                f"use more data or raise split.{_lever(config, name)}",
            )
    return parts, None if times is None else times[number == 0]


def _lever(config: SplitConfig, part: str) -> str:
    """Field that gives a held-out part more rows."""
    if config.by == "time":
        return "last"
    return part if config.before is None else "before"


def _latest(dataset: Dataset, last: int) -> np.ndarray:
    """Part of every row: 0 for train, then the held-out parts in order; shape (n,)."""
    log = dataset.interactions
    if dataset.times is None:
        raise DataError(
            "split.by",
            f"time needs times, got a log without any: {dataset.name}",
            "set split.by to random, or name the column in data.columns.time",
        )
    assert dataset.places is not None
    order = np.lexsort((dataset.places, dataset.times, log.users))
    # How many of the user's rows are later.
    later = np.empty(len(log), dtype=np.int64)
    later[order] = log.user_offsets[log.users + 1] - 1 - np.arange(len(log))
    held = 3 if dataset.test is None else 2
    part = np.maximum(held - later // last, 0)
    part[later == log.user_counts[log.users] - 1] = 0
    return part


def _eligible(dataset: Dataset, before: float | str | None) -> np.ndarray:
    """Whether each row may be held out, shape (n,)."""
    if before is None:
        return np.ones(len(dataset.interactions), dtype=bool)
    if dataset.times is None:
        raise DataError(
            "split.before",
            f"needs times, got a log without any: {dataset.name}",
            "leave it out, or name the column in data.columns.time",
        )
    if isinstance(before, str):
        date = datetime.fromisoformat(before)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        before = seconds * _per_second(dataset.times)
    eligible: np.ndarray = dataset.times < before
    return eligible


def _per_second(times: np.ndarray) -> int:
    """Units of a log's times a second: 1, a thousand, a million or a billion, by their size."""
    # The year 5138 in seconds; so each unit is told from the next for times since 1973.
    largest, factor = float(np.abs(times).max(initial=0)), 1
    while largest >= 1e11 * factor and factor < 10**9:
        factor *= 1000
    return factor


def _assign(
    log: Interactions, shares: Sequence[float], seed: int, eligible: np.ndarray
) -> np.ndarray:
    """Part of every row: 0 for train, then the held-out parts in order; shape (n,)."""
    rng = numpy_generator(seed, "split")
    counts = np.bincount(log.users[eligible], minlength=log.num_users)[:, None]
    # ends[u, k]: how many of u's rows, in random order, come before the end of part k.
    ends = np.floor(counts * np.cumsum(shares) + rng.random((len(counts), 1)))
    ends = np.minimum(ends, np.maximum(log.user_counts[:, None] - 1, 0))
    order = np.lexsort((rng.random(len(log)), ~eligible, log.users))
    rank = np.empty(len(log), dtype=np.int64)
    rank[order] = np.arange(len(log)) - log.user_offsets[log.users[order]]
    passed = (rank[:, None] >= ends[log.users]).sum(axis=1)
    return np.where(passed == len(shares), 0, passed + 1)


def _take(log: Interactions, rows: np.ndarray) -> Interactions:
    return Interactions(log.users[rows], log.items[rows], log.num_users, log.num_items)


def _fingerprint(dataset: Dataset, config: SplitConfig, noise: NoiseConfig, noise_seed: int) -> str:
    """Hash of the data set and of the options that shaped the parts."""
    options = [str(VERSION), dataset.fingerprint, config.model_dump_json(exclude_none=True)]
    # Seed and amounts of noise that isn't planted change nothing.
    if noise.kind != "none":
        # A number of users that isn't said leaves no trace.
        unsaid = {"users"} if noise.users is None else None
        options += [noise.model_dump_json(exclude=unsaid), str(noise_seed)]
    return hashlib.sha256("/".join(options).encode()).hexdigest()[:16]


def _check_disjoint(parts: Sequence[Interactions], name: str) -> None:
    keys = np.sort(np.concatenate([part.keys for part in parts]))
    twice = int((keys[1:] == keys[:-1]).sum())
    if twice:
        raise DataError(
            name,
            f"train, reward, selection and test must share no row, got {twice} rows twice",
            "have the source drop repeats, and test rows that are training rows",
        )


def _check_negatives(train: Interactions, name: str) -> None:
    full = int((train.user_counts >= train.num_items).sum())
    if full:
        raise DataError(
            name,
            f"every user needs an item that isn't theirs as a negative, got {full} users who have "
            f"all {train.num_items} items in training",
            "remove these users, add items or plant less noise",
        )
