"""Cosines within lists for logs too large for `pairs`: exact counts, sampled lists.

A row (u, i) is compared with at most ``most`` of u's other items: those at evenly spaced distances
from it in u's list, round the end, with a start drawn for each user. Every item of a list is thus
taken equally often, and lists of up to ``most + 1`` items are compared whole, which is exact. Sums
are scaled up; the mean of the largest five becomes that of the largest ``5 x taken / others``, at
least of the largest one.

Users need no comparison of users. With n_v the length of v's list and ``W = A' diag(n_v ** -.5) A``
(A the 0/1 matrix of users and items), the sum over i's other users v of
``(co(u, v) - 1) / sqrt(n_v)`` equals that over u's other items i' of ``W(i, i') - n_u ** -.5``.
So a popular item costs no more than its users' lists are long.

Items are taken in blocks, and what a block needs of the log in parts: memory is that of a block and
of a few numbers per user and item, whatever the length of the log. Time O(sum over users of squared
list lengths) for the counts, at a few nanoseconds each, and O(n most) for the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dvr_ray import seeding
from dvr_ray.data.features.cosines import Cosines
from dvr_ray.data.features.item_blocks import (
    BLOCK_ENTRIES,
    PART_ROWS,
    Counts,
    Members,
    item_blocks,
    root,
)
from dvr_ray.data.features.pairs import TOP
from dvr_ray.data.interactions import Interactions, Lists, user_parts

__all__ = [
    "MOST",
    "ItemBlock",
    "ListSums",
    "completed",
    "row_cosines",
    "sampled_cosines",
    "user_coherence",
]

MOST = 512
PIECE = 1 << 19
"""Rows are compared in pieces that caches hold."""


@dataclass(frozen=True)
class ListSums:
    """What the cosines of all rows are divided by, and where comparisons start.

    Parameters
    ----------
    user, item : ndarray, shape (U,) and (I,), float32
        Sum over a user's items i of ``n_i ** -.5``, over an item's users u of ``n_u ** -.5``.
    start : ndarray, shape (U,)
        Uniform in [0, 1).
    """

    user: np.ndarray
    item: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, log: Lists) -> ListSums:
        """Walk a log once."""
        in_list, of_item = root(log.user_counts), root(log.item_counts)
        user, item = np.zeros(log.num_users), np.zeros(log.num_items)
        for first, last in user_parts(log, PART_ROWS):
            rows = slice(log.user_offsets[first], log.user_offsets[last])
            users = np.repeat(np.arange(last - first), log.user_counts[first:last])
            user[first:last] = np.bincount(users, of_item[log.items[rows]], last - first)
            item += np.bincount(log.items[rows], in_list[first:last][users], log.num_items)
        start = seeding.numpy_generator(0, "features", 0).random(log.num_users)
        return cls(user.astype(np.float32), item.astype(np.float32), start)


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
    sums = ListSums.of(log)
    found = np.zeros((3, len(log)), dtype=np.float32)
    coherence, share = np.zeros(log.num_items), np.zeros(log.num_items)
    for ids in item_blocks(log, block_entries):
        rows, block = row_cosines(log, ids, sums, most)
        found[:, rows] = block.rows
        coherence[ids], share[ids] = block.item_coherence, block.largest_share
    return completed(log, found, sums.user, np.stack([coherence, share]))


def completed(log: Interactions, rows: np.ndarray, sums: np.ndarray, items: np.ndarray) -> Cosines:
    """Add what follows from the rest.

    Parameters
    ----------
    log : Interactions
        All rows of its users.
    rows : ndarray, shape (3, n)
        Sum, mean of the largest and mean over users, as `row_cosines` finds them.
    sums : ndarray, shape (U,)
        `ListSums.user` of its users.
    items : ndarray, shape (2, I)
        Coherence and largest share of every item.

    Returns
    -------
    Cosines
        Of all rows and items.
    """
    item_sum, item_top, user_mean = rows
    others = np.maximum(log.user_counts - 1, 1).astype(np.float32)
    mean = item_sum / others[log.users]
    user = user_coherence(log, item_sum, sums, log.item_counts)
    return Cosines(item_sum, mean, item_top, user_mean, user, *items)


def user_coherence(
    log: Interactions, item_sum: np.ndarray, sums: np.ndarray, item_counts: np.ndarray
) -> np.ndarray:
    """Mean pairwise cosine of the items of every user's list, shape (U,).

    Parameters
    ----------
    log : Interactions
        Some users with all of their rows.
    item_sum : ndarray, shape (n,)
        Sum of each row's left-out cosines.
    sums : ndarray, shape (U,)
        `ListSums.user` of these users.
    item_counts : ndarray, shape (I,)
        Rows per item of the whole log.

    Returns
    -------
    ndarray, shape (U,)
        0 for lists of one.
    """
    of_item, rest = root(item_counts)[log.items], root(item_counts - 1)[log.items]
    # co(i, i') is one more than what is left of it without u.
    plain = (item_sum / rest + (sums[log.users] - of_item)) * of_item
    return _pair_mean(np.bincount(log.users, plain, log.num_users), log.user_counts)


@dataclass(frozen=True)
class ItemBlock:
    """Cosines of all rows of some items.

    Parameters
    ----------
    rows : ndarray, shape (3, r), float32
        Sum and mean of the largest of each row's left-out item cosines, mean of its user cosines.
    item_coherence, largest_share : ndarray, shape (b,)
        As in `Cosines`, of the items.
    """

    rows: np.ndarray
    item_coherence: np.ndarray
    largest_share: np.ndarray


def row_cosines(
    log: Lists, ids: np.ndarray, sums: ListSums, most: int = MOST
) -> tuple[np.ndarray, ItemBlock]:
    """Compare the rows of a block of items.

    Parameters
    ----------
    log : Lists
        The whole log.
    ids : ndarray, shape (b,)
        A block of `item_blocks`.
    sums : ListSums
        Of the log.
    most : int
        How many of its user's other items a row is compared with.

    Returns
    -------
    ndarray, shape (r,)
        Numbers of the items' rows.
    ItemBlock
        What was found, in the same order.
    """
    members = Members.of(log, ids, most)
    counts = Counts.of(log, ids, members)
    found = np.zeros((3, len(members.rows)), dtype=np.float32)
    for piece in _pieces(members.taken):
        found[:, piece] = _compared(log, counts, members.part(piece), sums.start)
    share = counts.largest / np.maximum(log.item_counts[ids], 1)
    return members.rows, _divided(log, ids, members, found, sums, share)


def _pieces(taken: np.ndarray) -> Iterator[slice]:
    """Cut rows, fewest comparisons first, into pieces of a bounded padded size."""
    start = 0
    while start < len(taken):
        stop = min(start + max(PIECE // max(int(taken[start]), 1), 1), len(taken))
        # Padded to the piece's longest, which at most doubles what there is to do.
        stop = start + int(np.searchsorted(taken[start:stop], 2 * taken[start], side="right"))
        yield slice(start, stop)
        start = stop


def _compared(log: Lists, counts: Counts, members: Members, start: np.ndarray) -> np.ndarray:
    """Left-out sum and mean of the largest, before division by sqrt(n_i - 1), and W's sum."""
    taken, lengths = members.taken, members.lengths
    step = np.arange(int(taken.max()))
    if not len(step):
        return np.zeros((3, len(members.rows)))
    begins = log.user_offsets[members.users]
    # All others in turn where all are taken, as the step is 1 then.
    spacing = (lengths - 1) / np.maximum(taken, 1)
    away = 1 + ((step + start[members.users][:, None]) * spacing[:, None]).astype(np.int64)
    place = (members.rows - begins)[:, None] + away
    place -= (place >= lengths[:, None]) * lengths[:, None]
    place += begins[:, None]
    others = counts.column.take(log.items.take(place, mode="clip"))
    others += (members.slots * counts.left_out.shape[1])[:, None]
    cosines, weighted = counts.left_out.take(others), counts.weighted.take(others)
    # Taken away before the sum, so that what is 0 but for rounding is 0.
    weighted -= root(lengths)[:, None]
    if taken[0] < len(step):
        cosines[step >= taken[:, None]] = 0
        weighted[step >= taken[:, None]] = 0
    top = _top_mean(cosines, np.minimum(lengths - 1, TOP) / np.maximum(spacing, 1))
    return np.stack([cosines.sum(1) * spacing, top, weighted.sum(1) * spacing])


def _top_mean(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Mean of each row's largest values, a fractional number of them, at least 1."""
    first = max(values.shape[1] - TOP, 0)
    top = np.sort(np.partition(values, first, axis=1)[:, first:], axis=1)[:, ::-1]
    number = np.maximum(number, 1)[:, None]
    shares = np.clip(number - np.arange(top.shape[1]), 0, 1)
    means: np.ndarray = (top * shares).sum(1) / number[:, 0]
    return means


def _divided(
    log: Lists,
    ids: np.ndarray,
    members: Members,
    found: np.ndarray,
    sums: ListSums,
    share: np.ndarray,
) -> ItemBlock:
    """Divide the sums, in place."""
    total, top, weighted = found
    in_list, counts = root(members.lengths), log.item_counts[ids]
    plain = (weighted + (sums.item[ids][members.slots] - in_list)) * in_list
    coherence = _pair_mean(np.bincount(members.slots, plain, len(ids)), counts)
    rest = root(counts - 1)[members.slots]
    total *= rest
    top *= rest
    weighted *= root(members.lengths - 1)
    weighted *= rest * rest
    return ItemBlock(found, coherence, share)


def _pair_mean(total: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over ordered pairs; 0 where there is none."""
    return np.where(counts > 1, total / np.maximum(counts * (counts - 1), 1), 0)
