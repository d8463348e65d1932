"""Cosines between the items of every user's list, exact and in blocks.

For a block of items, co-occurrence with all items is one sparse product; the entries that rows ask
for (the pairs of items within a list) are gathered from it. Time O(sum over users of list length
squared), memory O(block x items) whatever the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from dvr_ray.data.interactions import Interactions, Lists

__all__ = ["PairStatistics", "incidence", "pair_statistics", "transposed"]

BLOCK_ENTRIES = 1 << 24
TOP = 5


@dataclass(frozen=True)
class PairStatistics:
    """Cosines of a row's item i with the other items i' of its user u.

    Parameters
    ----------
    left_out_sum, left_out_mean, left_out_top : ndarray, shape (n,)
        Sum, mean and mean of the five largest, the row itself left out; 0 for a list of one.
    plain_mean : ndarray, shape (n,)
        Mean with nothing left out.
    largest_cosine, largest_share : ndarray, shape (I,)
        Largest cosine of an item with any other, and largest co(i, i') / n_i.
    """

    left_out_sum: np.ndarray
    left_out_mean: np.ndarray
    left_out_top: np.ndarray
    plain_mean: np.ndarray
    largest_cosine: np.ndarray
    largest_share: np.ndarray

    def reordered(self, order: np.ndarray) -> PairStatistics:
        """Return the same with rows in another order."""
        return PairStatistics(
            self.left_out_sum[order],
            self.left_out_mean[order],
            self.left_out_top[order],
            self.plain_mean[order],
            self.largest_cosine,
            self.largest_share,
        )


def incidence(log: Lists, start: int = 0, stop: int | None = None) -> sp.csr_matrix:
    """Users x items matrix of ones, float32; of the users from ``start`` to before ``stop``."""
    stop = log.num_users if stop is None else stop
    offsets = log.user_offsets[start : stop + 1]
    items = log.items[offsets[0] : offsets[-1]]
    ones = np.ones(len(items), dtype=np.float32)
    shape = (stop - start, log.num_items)
    return sp.csr_matrix((ones, items, offsets - offsets[0]), shape=shape)


def transposed(log: Interactions) -> Interactions:
    """Swap users and items; row r is the old row ``item_order[r]``."""
    order = log.item_order
    return Interactions(log.items[order], log.users[order], log.num_items, log.num_users)


def pair_statistics(log: Interactions, block_entries: int = BLOCK_ENTRIES) -> PairStatistics:
    """Return the cosines of all rows.

    Parameters
    ----------
    log : Interactions
        The training part.
    block_entries : int
        Entries of a block, which bounds memory.
    """
    users_by_items = incidence(log)
    items_by_users = users_by_items.T.tocsr()
    counts = log.item_counts.astype(np.float64)
    rows = np.zeros((4, len(log)))
    items = np.zeros((2, log.num_items))
    step = max(1, block_entries // max(log.num_items, 1))
    for start in range(0, log.num_items, step):
        stop = min(start + step, log.num_items)
        together = items_by_users[start:stop] @ users_by_items
        items[:, start:stop] = _largest(together, counts, start)
        dense = together.toarray()
        members = log.item_order[log.item_offsets[start] : log.item_offsets[stop]]
        for chunk in _chunks(members, log, block_entries):
            rows[:, chunk] = _row_statistics(log, chunk, dense, counts, start)
    return PairStatistics(*rows, *items)


def _largest(together: sp.csr_matrix, counts: np.ndarray, start: int) -> np.ndarray:
    """Largest cosine and share of a block of items with any other item, (2, block)."""
    own = start + np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    both = np.where(together.indices == own, 0, together.data.astype(np.float64))
    mine = np.maximum(counts[start : start + together.shape[0]], 1)
    cosine = _row_largest(together, both / np.sqrt(counts[together.indices]))
    return np.stack([cosine / np.sqrt(mine), _row_largest(together, both) / mine])


def _row_largest(pattern: sp.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Largest of the values in each row of a matrix's pattern; 0 for an empty row."""
    filled = np.flatnonzero(np.diff(pattern.indptr))
    largest = np.zeros(pattern.shape[0])
    if len(filled):
        largest[filled] = np.maximum.reduceat(values, pattern.indptr[filled])
    return largest


def _chunks(members: np.ndarray, log: Interactions, limit: int) -> Iterator[np.ndarray]:
    """Cut rows into chunks of similar list length whose padded lists stay within the limit."""
    lengths = log.user_counts[log.users[members]]
    order = np.argsort(lengths, kind="stable")
    members, lengths = members[order], lengths[order]
    start = 0
    while start < len(members):
        # Lists are padded to the chunk's longest, so lengths may at most double within a chunk.
        stop = int(np.searchsorted(lengths, 2 * lengths[start], side="right"))
        stop = min(stop, start + max(1, limit // (8 * int(lengths[stop - 1]))))
        yield members[start:stop]
        start = stop


def _row_statistics(
    log: Interactions, chunk: np.ndarray, together: np.ndarray, counts: np.ndarray, start: int
) -> np.ndarray:
    """Four statistics of some rows, (4, rows)."""
    users, items = log.users[chunk], log.items[chunk]
    lengths = log.user_counts[users]
    place = np.arange(int(lengths.max()))
    flat = np.minimum(log.user_offsets[users][:, None] + place, len(log) - 1)
    others = log.items[flat]
    valid = (place < lengths[:, None]) & (others != items[:, None])
    scale = np.where(valid, 1 / np.sqrt(counts[others]), 0)
    both = together[(items - start)[:, None], others].astype(np.float64)
    number = np.maximum(lengths - 1, 1)
    mine = counts[items]
    plain = np.einsum("rp,rp->r", both, scale) / np.sqrt(mine) / number
    left_out = np.multiply(both - 1, scale, out=both)
    first = max(left_out.shape[1] - TOP, 0)
    top = np.partition(left_out, first, axis=1)[:, first:]
    rest = np.sqrt(np.maximum(mine - 1, 1))
    total = left_out.sum(1) / rest
    return np.stack([total, total / number, top.sum(1) / rest / np.minimum(number, TOP), plain])
