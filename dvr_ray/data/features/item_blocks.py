"""Blocks of items with all of their rows, and counts with the items that occur beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from dvr_ray.data.interactions import Lists, entries_of, user_parts

__all__ = ["BLOCK_ENTRIES", "PART_ROWS", "Counts", "Members", "item_blocks", "root"]

BLOCK_ENTRIES = 1 << 22
LONGEST_BLOCK = 4096
"""Blocks of items are chosen among so many at a time."""
PART_ROWS = 1 << 22
"""Rows of the log that are multiplied out, or counted, at once."""


def item_blocks(log: Lists, entries: int = BLOCK_ENTRIES) -> Iterator[np.ndarray]:
    """Cut the items into blocks whose counts with the items beside them stay within a limit.

    Parameters
    ----------
    log : Lists
        The whole log.
    entries : int
        The limit.

    Yields
    ------
    ndarray, shape (b,)
        Items that have rows, each in one block; those with the longest lists beside them first.
    """
    # An item occurs beside at most so many others.
    reach = np.zeros(log.num_items)
    for first, last in user_parts(log, PART_ROWS):
        rows = slice(log.user_offsets[first], log.user_offsets[last])
        counts = log.user_counts[first:last]
        reach += np.bincount(log.items[rows], np.repeat(counts, counts), log.num_items)
    order = np.argsort(-reach, kind="stable")[: np.count_nonzero(reach)]
    start = 0
    while start < len(order):
        ids = order[start : start + LONGEST_BLOCK]
        width = np.minimum(np.cumsum(reach[ids]), log.num_items)
        size = np.searchsorted(width * np.arange(1, len(ids) + 1), entries, side="right")
        yield ids[: max(int(size), 1)]
        start += max(int(size), 1)


@dataclass(frozen=True)
class Members:
    """Rows of some items, fewest comparisons first."""

    slots: np.ndarray
    """Which of the items each belongs to."""
    rows: np.ndarray
    users: np.ndarray
    lengths: np.ndarray
    """Lengths of the users' lists."""
    taken: np.ndarray
    """Number of other items that are compared."""

    @classmethod
    def of(cls, log: Lists, ids: np.ndarray, most: int) -> Members:
        """List the rows of a block of items, to be compared with at most ``most`` others each."""
        slots, entries = entries_of(log.item_offsets, ids)
        rows = log.item_order[entries]
        users = log.users_of(rows)
        lengths = log.user_counts[users]
        taken = np.clip(lengths - 1, 0, most)
        members = cls(slots, rows, users, lengths, taken)
        return members.part(np.argsort(taken, kind="stable"))

    def part(self, chosen: slice | np.ndarray) -> Members:
        """Return some of them."""
        return Members(
            self.slots[chosen], self.rows[chosen], self.users[chosen], self.lengths[chosen],
            self.taken[chosen],
        )  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """Counts of a block of items with all items that occur beside them."""

    left_out: np.ndarray
    """``(co(i, i') - 1) / sqrt(n_i')``, shape (b, c)."""
    weighted: np.ndarray
    """W(i, i'), shape (b, c)."""
    column: np.ndarray
    """Column of every item that occurs, shape (I,)."""
    largest: np.ndarray
    """Largest co(i, i') with another item, shape (b,)."""

    @classmethod
    def of(cls, log: Lists, ids: np.ndarray, members: Members) -> Counts:
        """Count the items that occur beside a block's."""
        together = _together(log, len(ids), members)
        occurs = np.zeros(log.num_items, dtype=bool)
        occurs[together.indices] = True
        column = np.cumsum(occurs) - 1
        shape = (len(ids), int(column[-1]) + 1)
        dense = sp.csr_matrix(
            (together.data, column[together.indices], together.indptr), shape=shape
        ).toarray()
        both = dense.real
        left_out = (both - 1) / np.sqrt(log.item_counts[occurs]).astype(np.float32)
        both[np.arange(len(ids)), column[ids]] = 0
        return cls(left_out, dense.imag.copy(), column, both.max(axis=1))


def _together(log: Lists, size: int, members: Members) -> sp.csr_matrix:
    """Counts of items with others, (b, I): 1 and, as the imaginary part, n_u ** -.5 a user.

    So one product sums both. The users' lists are read in parts.
    """
    users, place = np.unique(members.users, return_inverse=True)
    ones = np.ones(len(place), dtype=np.complex64)
    left = sp.coo_matrix((ones, (members.slots, place)), (size, len(users))).tocsc()
    part = (np.cumsum(log.user_counts[users]) - 1) // PART_ROWS
    cuts = np.flatnonzero(np.diff(part, prepend=-1, append=-1))
    total = sp.csr_matrix((size, log.num_items), dtype=np.complex64)
    for first, last in pairwise(cuts):
        right = _weighted(log, users[first:last])
        total = total + left[:, first:last].tocsr() @ right
    return total


def _weighted(log: Lists, users: np.ndarray) -> sp.csr_matrix:
    """Lists of some users, (u, I): 1 and, as the imaginary part, n_u ** -.5."""
    owners, entries = entries_of(log.user_offsets, users)
    counts = log.user_counts[users]
    data = np.ones(len(entries), dtype=np.complex64)
    data.imag = root(counts)[owners]
    starts = np.concatenate([[0], np.cumsum(counts)])
    return sp.csr_matrix((data, log.items[entries], starts), (len(users), log.num_items))


def root(counts: np.ndarray) -> np.ndarray:
    """Return 1 / sqrt(n), with n at least 1, in float32."""
    roots: np.ndarray = (1 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
    return roots
