"""From rows of original ids to a `Dataset`: rating threshold, repeats, core, numbers, attributes.

In this order:

1. With ``data.min_rating``, rows rated below it go. What is left is implicit: a row or none.
2. Repeated pairs collapse to one row, with the earliest of their times (ties: the first in the
   file). Test rows that are also training rows go.
3. With ``data.core``, users and items with fewer rows go, over and over, until all that are left
   have that many. Rows of a given test part count too: logs are cut to a core before they are
   split.
4. Users and items without a row left are not part of the catalogue, even if a table of attributes
   lists them. (LightGCN's format lists users without items on purpose; these stay, without a core.)

The work per row is done in numpy and Arrow. Memory at most about 12 words of 8 bytes per row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.attributes import joined
from dvr_ray.data.ids import numbered
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.errors import DataError

__all__ = ["assemble", "in_core"]


def assemble(reading: Reading, name: str, fingerprint: str, config: DataConfig) -> Dataset:
    """Make a data set of what a source read.

    Parameters
    ----------
    reading : Reading
        Rows and tables.
    name, fingerprint : str
        Of the data set.
    config : DataConfig
        Reads ``min_rating`` and ``core``.

    Returns
    -------
    Dataset
        Users and items numbered from 0, in the order of their ids; not split yet.

    Raises
    ------
    DataError
        If ratings are wanted where there are none, or no training row or no test row is left.
    """
    dropped = dict(reading.dropped)
    log = _whole(reading)
    user_ids, (users, listed) = numbered([log.users, _column(reading.listed)])
    item_ids, (items,) = numbered([log.items])
    shape = len(user_ids), len(item_ids)
    rows = _rated(log, name, config, dropped)
    keys = users * shape[1] + items
    del users, items
    keys, rows = _distinct(keys, rows, len(reading.train), log.times, dropped)
    # numpy divides by one number much faster than it takes the rest of it.
    users = keys // shape[1]
    items = keys - users * shape[1]
    del keys
    if config.core > 1:
        inside = in_core(users, items, shape, config.core)
        _note(dropped, f"rows outside the {config.core}-core", int((~inside).sum()))
        rows, users, items, listed = rows[inside], users[inside], items[inside], listed[:0]
    (used, users), (sold, items) = _compact(users, shape[0], listed), _compact(items, shape[1])
    ids = user_ids[used], item_ids[sold]
    return _built(reading, name, fingerprint, (users, items, rows), ids, log.times, dropped)


def in_core(users: np.ndarray, items: np.ndarray, shape: tuple[int, int], least: int) -> np.ndarray:
    """Tell which rows are in the k-core: its users and items all have ``least`` of its rows.

    The core is the largest such set, found by taking away until nothing changes.

    Parameters
    ----------
    users, items : ndarray, shape (n,)
        Distinct pairs.
    shape : tuple of int
        U and I.
    least : int
        k.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    rows = np.arange(len(users))
    while True:
        owners, chosen = users[rows], items[rows]
        stays = (np.bincount(owners, minlength=shape[0]) >= least)[owners]
        stays &= (np.bincount(chosen, minlength=shape[1]) >= least)[chosen]
        if stays.all():
            inside = np.zeros(len(users), dtype=bool)
            inside[rows] = True
            return inside
        rows = rows[stays]


def _whole(reading: Reading) -> Rows:
    """Training rows, then test rows; times of test rows are never asked for, but must be there."""
    train, test = reading.train, reading.test
    if test is None:
        return train
    if train.times is not None and test.times is None:
        test = replace(test, times=np.zeros(len(test), dtype=np.int64))
    return Rows.joined([train, test])


def _rated(log: Rows, name: str, config: DataConfig, dropped: dict[str, int]) -> np.ndarray | None:
    """Places of the rows that are rated high enough; None for all of them."""
    if config.min_rating is None:
        return None
    if log.ratings is None:
        raise DataError(
            "data.min_rating",
            f"needs ratings, got {config.min_rating:g} and no ratings in {name}",
            "take it away, or name the column in data.columns.rating",
        )
    rows = np.flatnonzero(log.ratings >= config.min_rating)
    _note(dropped, f"rows rated below {config.min_rating:g}", len(log) - len(rows))
    return rows


def _distinct(
    keys: np.ndarray,
    rows: np.ndarray | None,
    train: int,
    times: np.ndarray | None,
    dropped: dict[str, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys, increasing, and each one's row: a training row, if it has one, the earliest.

    Rows from ``train`` on are test rows; ``rows`` narrows the choice.
    """
    order = np.arange(len(keys)) if rows is None else rows
    keys, order = _sorted(keys if rows is None else keys[rows], order)
    fresh = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
    if fresh.all():
        return keys, order
    if times is not None:
        several = ~fresh
        several[:-1] |= ~fresh[1:]
        at = order[several]
        order[several] = at[np.lexsort((at, times[at], at >= train, keys[several]))]
    held = order >= train
    known = held & ~held[fresh][np.cumsum(fresh) - 1]
    _note(dropped, "test rows that are training rows", int(known.sum()))
    _note(dropped, "repeats", int((~fresh & ~known).sum()))
    return keys[fresh], order[fresh]


def _sorted(keys: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort keys and, with them, increasing places; equal keys stay in the order of their places.

    The keys are overwritten.
    """
    bits = int(places[-1]).bit_length() if len(places) else 0
    if len(keys) and int(keys.max()).bit_length() + bits > 63:
        order = np.argsort(keys, kind="stable")
        return keys[order], places[order]
    # Sorting numbers takes a third of the time of sorting their places.
    keys <<= bits
    keys |= places
    keys.sort()
    places = keys & ((1 << bits) - 1)
    keys >>= bits
    return keys, places


def _compact(
    numbers: np.ndarray, size: int, listed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Old numbers that are used or listed, increasing, and the rows' new ones."""
    used = np.zeros(size, dtype=bool)
    used[numbers] = True
    if listed is not None:
        used[listed] = True
    if used.all():
        return np.arange(size), numbers
    return np.flatnonzero(used), (np.cumsum(used) - 1)[numbers]


def _built(
    reading: Reading,
    name: str,
    fingerprint: str,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    ids: tuple[np.ndarray, np.ndarray],
    times: np.ndarray | None,
    dropped: dict[str, int],
) -> Dataset:
    """Part training from test rows, and attach times and attributes."""
    users, items, places = rows
    shape = len(ids[0]), len(ids[1])
    parts = [Interactions(users, items, *shape)]
    if reading.test is not None:
        held = places >= len(reading.train)
        parts = [Interactions(users[part], items[part], *shape) for part in (~held, held)]
        places = places[~held]
    _check_left(parts, reading, name, dropped)
    return Dataset(
        name=name,
        interactions=parts[0],
        test=None if reading.test is None else parts[1],
        user_ids=ids[0],
        item_ids=ids[1],
        user_table=_table(reading.users, ids[0], "users", dropped),
        item_table=_table(reading.items, ids[1], "items", dropped),
        fingerprint=fingerprint,
        times=None if times is None else times[places],
        places=None if times is None else places,
        dropped=dropped,
    )


def _check_left(
    parts: list[Interactions], reading: Reading, name: str, dropped: dict[str, int]
) -> None:
    lost = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none"
    if not len(parts[0]):
        raise DataError(name, f"no training row is left, dropped: {lost}", "check data.* and files")
    if reading.test is not None and not len(parts[1]):
        raise DataError(
            reading.test_file,
            f"all {len(reading.test)} rows are training rows or were dropped, which leaves no "
            f"test, dropped: {lost}",
            "get the files again, or take the test file away to have the test part drawn",
        )


def _table(
    table: pd.DataFrame | None, ids: np.ndarray, kind: str, dropped: dict[str, int]
) -> pd.DataFrame:
    if table is None:
        return pd.DataFrame(index=range(len(ids)))
    rows, absent = joined(table, ids)
    _note(dropped, f"listed {kind} without rows", absent)
    return rows


def _column(ids: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(ids, pa.int64())])


def _note(dropped: dict[str, int], reason: str, count: int) -> None:
    if count:
        dropped[reason] = dropped.get(reason, 0) + count
