"""Cosines within lists for logs too large for `pairs`: exact counts, sampled lists.

A row (u, i) is compared with at most ``most`` of u's other items: each list is shuffled once, and
a row takes those that follow it, round the end. Every item of a list is thus taken equally often,
and lists of up to ``most + 1`` items are compared whole, which is exact. Sums are scaled up; the
mean of the largest five becomes that of the largest ``5 x taken / others``, at least of the largest
one.

Users need no comparison of users. With n_v the length of v's list and ``W = A' diag(n_v ** -.5) A``
(A the 0/1 matrix of users and items), the sum over i's other users v of
``(co(u, v) - 1) / sqrt(n_v)`` equals that over u's other items i' of ``W(i, i') - n_u ** -.5``.
So a popular item costs no more than its users' lists are long.

Time O(sum over users of squared list lengths) for the counts, at a few nanoseconds each, and
O(n most) for the rows; memory O(n + block).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from dvr_ray import seeding
from dvr_ray.data.features.cosines import Cosines
from dvr_ray.data.features.pairs import TOP, incidence
from dvr_ray.data.interactions import Interactions, entries_of

__all__ = ["MOST", "sampled_cosines"]

MOST = 512
BLOCK_ENTRIES = 1 << 22
# Blocks of items are chosen among so many at a time; rows are compared in pieces that caches hold.
LONGEST_BLOCK, PIECE = 4096, 1 << 19


def sampled_cosines(
    log: Interactions, most: int = MOST, block_entries: int = BLOCK_ENTRIES
) -> Cosines:
    """Return the cosines of all rows, in float32.

    Parameters
    ----------
    log : Interactions
        The training part.
    most : int
        How many of its user's other items a row is compared with.
    block_entries : int
        Entries of a block, which bounds memory.
    """
    # What the sums need is let go before they are divided.
    return _divided(log, *_sums(log, most, block_entries))


def _sums(log: Interactions, most: int, block_entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of every row, (3, n) as `_compared` has them, and the items' largest shares, (I,)."""
    lists = _Lists.shuffled(log, most)
    by_item, right = incidence(log).T.tocsr(), _weighted(log)
    found = np.zeros((3, len(log)), dtype=np.float32)
    share = np.zeros(log.num_items)
    for ids in _blocks(log, block_entries):
        block = _Block.of(ids, by_item, right, log.item_counts)
        share[ids] = block.largest / log.item_counts[ids]
        slots, rows = _members(lists, ids)
        for piece in _pieces(lists.taken[log.users[rows]]):
            found[:, rows[piece]] = _compared(lists, block, slots[piece], rows[piece])
    return found, share


@dataclass(frozen=True)
class _Lists:
    """Shuffled lists, one after the other, and the place of each row in them."""

    log: Interactions
    items: np.ndarray
    place: np.ndarray
    taken: np.ndarray
    """Number of other items that are compared, by user."""

    @classmethod
    def shuffled(cls, log: Interactions, most: int) -> _Lists:
        random = seeding.numpy_generator(0, "features", 0).integers(0, 1 << 32, len(log), np.uint32)
        order = np.argsort((log.users << 32) | random, kind="stable")
        place = np.empty(len(log), dtype=np.int32)
        place[order] = np.arange(len(log), dtype=np.int32)
        taken = np.clip(log.user_counts - 1, 0, most)
        return cls(log, log.items[order].astype(np.int32), place, taken)


@dataclass(frozen=True)
class _Block:
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
    def of(
        cls, ids: np.ndarray, by_item: sp.csr_matrix, right: sp.csr_matrix, counts: np.ndarray
    ) -> _Block:
        together = by_item[ids] @ right
        occurs = np.zeros(by_item.shape[0], dtype=bool)
        occurs[together.indices] = True
        column = np.cumsum(occurs) - 1
        shape = (len(ids), int(column[-1]) + 1)
        dense = sp.csr_matrix(
            (together.data, column[together.indices], together.indptr), shape=shape
        ).toarray()
        both = dense.real
        left_out = (both - 1) / np.sqrt(counts[occurs]).astype(np.float32)
        both[np.arange(len(ids)), column[ids]] = 0
        return cls(left_out, dense.imag.copy(), column, both.max(axis=1))


def _weighted(log: Interactions) -> sp.csr_matrix:
    """Users x items: 1 and, as the imaginary part, n_u ** -.5, so that one product sums both."""
    matrix = incidence(log).astype(np.complex64)
    matrix.data.imag = _root(log.user_counts)[log.users]
    return matrix


def _root(counts: np.ndarray) -> np.ndarray:
    """Return 1 / sqrt(n), with n at least 1, in float32."""
    roots: np.ndarray = (1 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
    return roots


def _blocks(log: Interactions, entries: int) -> Iterator[np.ndarray]:
    """Cut the items into blocks whose counts with the items beside them stay within a limit."""
    # An item occurs beside at most so many others.
    reach = np.bincount(log.items, log.user_counts[log.users], log.num_items)
    order = np.argsort(-reach, kind="stable")[: np.count_nonzero(reach)]
    start = 0
    while start < len(order):
        ids = order[start : start + LONGEST_BLOCK]
        width = np.minimum(np.cumsum(reach[ids]), log.num_items)
        size = np.searchsorted(width * np.arange(1, len(ids) + 1), entries, side="right")
        yield ids[: max(int(size), 1)]
        start += max(int(size), 1)


def _members(lists: _Lists, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some items, fewest comparisons first, and which of the items each belongs to."""
    log = lists.log
    slots, entries = entries_of(log.item_offsets, ids)
    rows = log.item_order[entries]
    order = np.argsort(lists.taken[log.users[rows]], kind="stable")
    return slots[order], rows[order]


def _pieces(taken: np.ndarray) -> Iterator[slice]:
    """Cut rows, fewest comparisons first, into pieces of a bounded padded size."""
    start = 0
    while start < len(taken):
        stop = min(start + max(PIECE // max(int(taken[start]), 1), 1), len(taken))
        # Padded to the piece's longest, which at most doubles what there is to do.
        stop = start + int(np.searchsorted(taken[start:stop], 2 * taken[start], side="right"))
        yield slice(start, stop)
        start = stop


def _compared(lists: _Lists, block: _Block, slots: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Left-out sum and mean of the largest, before division by sqrt(n_i - 1), and W's sum."""
    log = lists.log
    users = log.users[rows]
    taken, lengths = lists.taken[users], log.user_counts[users]
    step = np.arange(int(taken.max()))
    if not len(step):
        return np.zeros((3, len(rows)))
    place = lists.place[rows][:, None] + (1 + step)
    place -= (place >= log.user_offsets[users + 1][:, None]) * lengths[:, None]
    others = block.column.take(lists.items.take(place, mode="clip"))
    others += (slots * block.left_out.shape[1])[:, None]
    cosines, weighted = block.left_out.take(others), block.weighted.take(others)
    # Taken away before the sum, so that what is 0 but for rounding is 0.
    weighted -= _root(lengths)[:, None]
    if taken[0] < len(step):
        cosines[step >= taken[:, None]] = 0
        weighted[step >= taken[:, None]] = 0
    scale = (lengths - 1) / np.maximum(taken, 1)
    top = _top_mean(cosines, np.minimum(lengths - 1, TOP) / np.maximum(scale, 1))
    return np.stack([cosines.sum(1) * scale, top, weighted.sum(1) * scale])


def _top_mean(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Mean of each row's largest values, a fractional number of them, at least 1."""
    first = max(values.shape[1] - TOP, 0)
    top = np.sort(np.partition(values, first, axis=1)[:, first:], axis=1)[:, ::-1]
    number = np.maximum(number, 1)[:, None]
    shares = np.clip(number - np.arange(top.shape[1]), 0, 1)
    means: np.ndarray = (top * shares).sum(1) / number[:, 0]
    return means


def _divided(log: Interactions, found: np.ndarray, share: np.ndarray) -> Cosines:
    """Divide the sums, in place where they are as long as the log."""
    total, top, weighted = found
    users, items = log.users, log.items
    in_list, of_item = _root(log.user_counts), _root(log.item_counts)
    # co(i, i') is one more than what is left of it without u.
    sums = np.bincount(users, of_item[items], log.num_users).astype(np.float32)
    plain = (total + (sums[users] - of_item[items])) * of_item[items]
    user = _pair_mean(np.bincount(users, plain, log.num_users), log.user_counts)
    sums = np.bincount(items, in_list[users], log.num_items).astype(np.float32)
    plain = (weighted + (sums[items] - in_list[users])) * in_list[users]
    item = _pair_mean(np.bincount(items, plain, log.num_items), log.item_counts)
    rest = _root(log.item_counts - 1)
    total *= rest[items]
    top *= rest[items]
    weighted *= _root(log.user_counts - 1)[users]
    weighted *= (rest * rest)[items]
    mean = total / np.maximum(log.user_counts - 1, 1).astype(np.float32)[users]
    return Cosines(total, mean, top, weighted, user, item, share)


def _pair_mean(total: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over ordered pairs; 0 where there is none."""
    return np.where(counts > 1, total / np.maximum(counts * (counts - 1), 1), 0)
