"""The one in-memory form of interactions: rows sorted by user, CSR both ways, attribute tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

__all__ = [
    "Dataset",
    "Interactions",
    "Lists",
    "SealedTest",
    "TrialData",
    "entries_of",
    "user_parts",
]


class Lists(Protocol):
    """What statistics read of a log: `Interactions`, or a log too large to be held in memory.

    Attributes are those of `Interactions`, of any type of whole numbers.
    """

    @property
    def num_users(self) -> int:
        """Size U of the catalogue."""

    @property
    def num_items(self) -> int:
        """Size I of the catalogue."""

    @property
    def items(self) -> np.ndarray:
        """Items of the rows, which are sorted by user."""

    @property
    def user_offsets(self) -> np.ndarray:
        """Where each user's rows begin."""

    @property
    def user_counts(self) -> np.ndarray:
        """Rows per user."""

    @property
    def item_order(self) -> np.ndarray:
        """Rows sorted by item, then user."""

    @property
    def item_offsets(self) -> np.ndarray:
        """Where each item's rows begin in ``item_order``."""

    @property
    def item_counts(self) -> np.ndarray:
        """Rows per item."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def users_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the users of rows."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Distinct (user, item) pairs, sorted by user, then item.

    Parameters
    ----------
    users : ndarray, shape (n,)
        Internal user numbers, int64, 0 to ``num_users - 1``.
    items : ndarray, shape (n,)
        Internal item numbers, int64, 0 to ``num_items - 1``.
    num_users, num_items : int
        Sizes U and I of the catalogue, also where some have no interaction here.

    Notes
    -----
    Build with `from_pairs`, which sorts and drops repeats; the constructor trusts its input.
    """

    users: np.ndarray
    items: np.ndarray
    num_users: int
    num_items: int

    @classmethod
    def from_pairs(
        cls, users: np.ndarray, items: np.ndarray, num_users: int, num_items: int
    ) -> Interactions:
        """Sort pairs by user, then item, and drop repeats."""
        # Sorted and compared: np.unique hashes whole numbers, which takes many times as long.
        keys = np.sort(users.astype(np.int64) * num_items + items.astype(np.int64))
        keys = keys[np.diff(keys, prepend=-1) > 0]
        return cls(keys // num_items, keys % num_items, num_users, num_items)

    def __len__(self) -> int:
        """Return the number of pairs, n."""
        return len(self.users)

    @cached_property
    def keys(self) -> np.ndarray:
        """``user * num_items + item`` of every row, shape (n,), increasing."""
        keys: np.ndarray = self.users * self.num_items + self.items
        return keys

    @cached_property
    def user_offsets(self) -> np.ndarray:
        """Row range of user u is ``[user_offsets[u], user_offsets[u + 1])``; shape (U + 1,)."""
        return np.searchsorted(self.users, np.arange(self.num_users + 1))

    @cached_property
    def item_order(self) -> np.ndarray:
        """Row numbers sorted by item, then user; shape (n,)."""
        return np.argsort(self.items, kind="stable")

    @cached_property
    def item_offsets(self) -> np.ndarray:
        """``item_order[item_offsets[i]:item_offsets[i + 1]]`` are item i's rows; shape (I + 1,)."""
        return np.concatenate([[0], np.cumsum(self.item_counts)])

    @cached_property
    def user_counts(self) -> np.ndarray:
        """Interactions per user, shape (U,)."""
        return np.bincount(self.users, minlength=self.num_users)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Interactions per item, shape (I,)."""
        return np.bincount(self.items, minlength=self.num_items)

    def users_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the users of rows, shape (r,) to (r,)."""
        return np.asarray(self.users[rows])

    def indexed(self) -> Interactions:
        """Compute all that is derived from the rows, so that it goes wherever they go."""
        for name in ("keys", "user_offsets", "item_order", "item_offsets", "user_counts"):
            getattr(self, name)
        return self

    def contains(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Tell which pairs are among the rows; any shape, bool."""
        return self.places(users, items) >= 0

    def places(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return the row of each pair, -1 where it isn't one; any shape, int64."""
        wanted = users.astype(np.int64) * self.num_items + items
        if not len(self):
            return np.full(wanted.shape, -1)
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self) - 1)
        return np.where(self.keys[place] == wanted, place, -1)


@dataclass(frozen=True)
class Dataset:
    """A log as an importer or the generator hands it over.

    Parameters
    ----------
    name : str
        For tables and messages.
    interactions : Interactions
        All interactions, or those of the training file where a test file came with the data.
    test : Interactions or None
        The given test part; None where the split draws it.
    user_ids, item_ids : ndarray, shape (U,) and (I,)
        Original ids, by internal number.
    user_table, item_table : DataFrame, index 0..U-1 and 0..I-1
        Attributes; no columns where unknown. Users have ``gender`` and ``age_group``, text with
        "unknown" for gaps. Items have ``name``, text, and ``category``: text, or a tuple of texts
        where an item may have several (genres, tags; the empty tuple where none is known).
    fingerprint : str
        Hash of source and options.
    times, places : ndarray, shape (n,), or None
        When each of the ``interactions`` took place, int64 or float64 in the source's unit, and
        its place in the file, which breaks ties; None where the source has no times.
    reward, selection : Interactions or None
        Given where a whole split came with the data; then ``interactions`` is the training part.
    dropped : dict of str to int
        What the importer left out or couldn't read, by reason.
    """

    name: str
    interactions: Interactions
    test: Interactions | None
    user_ids: np.ndarray
    item_ids: np.ndarray
    user_table: pd.DataFrame
    item_table: pd.DataFrame
    fingerprint: str
    times: np.ndarray | None = None
    places: np.ndarray | None = None
    reward: Interactions | None = None
    selection: Interactions | None = None
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialData:
    """What a trial may see: three of the four disjoint parts. Holds no test data.

    Parameters
    ----------
    name, fingerprint : str
        Of the data set with its split and noise.
    train, reward, selection : Interactions
        Parts to learn from, to be rewarded on and to select epochs and trials on.
    planted : ndarray of bool, shape (n,), or None
        Which training rows were planted; only reports read it.
    push_targets : ndarray, shape (t,)
        Items pushed by a planted attack; empty without one. Only reports read it.
    features : dict of str to ndarray, shape (n, c)
        Static input features of the training rows, gauss-ranked, float32.
    user_ids, item_ids : ndarray
        Original ids.
    user_table, item_table : DataFrame
        Attributes.
    times : ndarray, shape (n,), or None
        When each training row took place, in the source's unit; None where it has no times.
    """

    name: str
    fingerprint: str
    train: Interactions
    reward: Interactions
    selection: Interactions
    planted: np.ndarray | None
    push_targets: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    user_table: pd.DataFrame
    item_table: pd.DataFrame
    times: np.ndarray | None = None
    features: dict[str, np.ndarray] = field(default_factory=dict)

    def indexed(self) -> TrialData:
        """Compute what trials derive from the rows: once, and then they share it with the rows."""
        for part in (self.train, self.reward, self.selection):
            part.indexed()
        return self


@dataclass(frozen=True)
class SealedTest:
    """The test part, kept apart from `TrialData`; only the final evaluation opens it.

    Parameters
    ----------
    interactions : Interactions
        Test rows of the same users and items.
    """

    interactions: Interactions


def entries_of(offsets: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the entries of some segments of a flat array, segment after segment.

    Parameters
    ----------
    offsets : ndarray, shape (s + 1,)
        Segment k is ``[offsets[k], offsets[k + 1])``.
    chosen : ndarray, shape (c,)
        Numbers of segments, which may repeat.

    Returns
    -------
    ndarray, ndarray, shape (e,) each
        The place in ``chosen`` that each entry belongs to, and the entry's place in the array.
    """
    starts = offsets[chosen]
    counts = offsets[chosen + 1] - starts
    owners = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owners, starts[owners] + within


def user_parts(log: Lists, rows: int) -> Iterator[tuple[int, int]]:
    """Cut the users into ranges [first, last) of about so many rows, at least one user each."""
    start = 0
    while start < log.num_users:
        wanted = log.user_offsets[start] + rows
        stop = int(np.searchsorted(log.user_offsets, wanted, side="right")) - 1
        stop = min(max(stop, start + 1), log.num_users)
        yield start, stop
        start = stop
