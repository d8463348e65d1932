"""Which users are valued together.

A block holds all rows of some users, drawn at random, so that its batches are like those of the
whole log. It depends on the log and on the run's seed, never on the number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dvr_ray.data.features import LogPart
from dvr_ray.data.interactions import Lists, entries_of
from dvr_ray.seeding import numpy_generator

__all__ = ["BLOCK_ROWS", "Blocks"]

BLOCK_ROWS = 1 << 18


@dataclass(frozen=True, eq=False)
class Blocks:
    """Users with rows, dealt out to blocks.

    Parameters
    ----------
    users : ndarray
        Block after block, increasing within each.
    starts : ndarray, shape (blocks + 1,)
        Where each block begins in ``users``.
    counts : ndarray, shape (U,)
        Rows of every user.
    """

    users: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, rows: int, seed: int) -> Blocks:
        """Deal out users by their numbers of rows (U,), into blocks of about so many rows."""
        users = np.flatnonzero(counts)
        wanted = -(-int(counts.sum()) // rows)
        if wanted > 1:
            users = numpy_generator(seed, "value blocks").permutation(users)
        ends = np.cumsum(counts[users])
        number = (ends - 1) * wanted // max(int(ends[-1]), 1)
        order = np.lexsort((users, number))
        starts = np.flatnonzero(np.diff(number, prepend=-1, append=wanted))
        return cls(users[order], starts, counts)

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.starts) - 1

    def of_block(self, number: int) -> np.ndarray:
        """Return the users of a block, increasing."""
        return self.users[self.starts[number] : self.starts[number + 1]]

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of every block, shape (blocks,)."""
        return np.add.reduceat(self.counts[self.users], self.starts[:-1])

    @cached_property
    def number(self) -> np.ndarray:
        """Block of every user, shape (U,); 0 for those without rows."""
        number = np.zeros(len(self.counts), dtype=np.int32)
        number[self.users] = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return number

    @cached_property
    def first(self) -> np.ndarray:
        """Place of every user's first row among the rows of its block, shape (U,)."""
        counts = self.counts[self.users]
        before = np.cumsum(counts) - counts
        first = np.zeros(len(self.counts), dtype=np.int64)
        first[self.users] = before - np.repeat(before[self.starts[:-1]], np.diff(self.starts))
        return first

    def part(self, log: Lists, number: int) -> tuple[np.ndarray, LogPart]:
        """Return the rows (r,) of a block in a log, and the block as a log of its own."""
        users = self.of_block(number)
        owners, rows = entries_of(log.user_offsets, users)
        items = log.items[rows].astype(np.int64)
        return rows, LogPart(owners, items, len(users), log.num_items, log.item_counts)
