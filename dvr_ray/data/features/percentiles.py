"""Percentiles of left-out neighbourhood scores among sampled scores, for large logs.

`neighbourhood` ranks a row's score among all scores of its user, and of its item. Here they are the
scores of sampled items (users), each drawn with a known probability, half of it uniform and half by
size, so that the top of a ranking, where most rows stand, is seen finely. A sampled score counts
for 1 / its probability. Between two sampled scores the percentile is interpolated; scores that tie
with sampled ones stand in their middle, as in the exact ranking.

The standard error is at most sqrt(p (1 - p) / S) for S samples, and less at the top. Time
O((n + U + I) S), memory O((U + I) S).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from dvr_ray import seeding
from dvr_ray.data.features.item_blocks import PART_ROWS, root
from dvr_ray.data.features.pairs import incidence
from dvr_ray.data.interactions import Lists, entries_of, user_parts

__all__ = ["SLACK", "ItemRankings", "Rankings", "UserRankings", "sampled_percentiles"]

# Sums of cosines in float32 that are equal but for rounding must tie: they differ by less.
SLACK = 1e-5
SAMPLES = 1024
PROFILE_ENTRIES, BLOCK_ENTRIES, COLUMNS = 1 << 27, 1 << 22, 64


def sampled_percentiles(
    log: Lists,
    score: np.ndarray,
    samples: int = SAMPLES,
    block_entries: int = BLOCK_ENTRIES,
) -> np.ndarray:
    """Place every row in its user's ranking and in its item's.

    Parameters
    ----------
    log : Interactions
        The training part.
    score : ndarray, shape (n,)
        Left-out score of every row.
    samples : int
        How many items, and users, are drawn; fewer where the log has very many of them.
    block_entries : int
        Entries of a block, which bounds memory.

    Returns
    -------
    ndarray, shape (n, 2), float32
        Percentiles, 0 to 1; .5 where nothing is ranked.
    """
    found = np.empty((len(log), 2), dtype=np.float32)
    ranking = UserRankings.of(log, samples)
    for first, last in user_parts(log, PART_ROWS):
        part = slice(log.user_offsets[first], log.user_offsets[last])
        owners = incidence(log, first, last)
        found[part, 0] = ranking.percentiles(owners, score[part], block_entries)
    del ranking
    rankings = ItemRankings.of(log, samples)
    for ids in np.array_split(np.arange(log.num_items), len(log) // PART_ROWS + 1):
        rows, owners = rankings.owners(log, ids)
        found[rows, 1] = rankings.percentiles(owners, score[rows], block_entries)
    return found


def number_of_samples(log: Lists, samples: int = SAMPLES) -> int:
    """Return how many items, and users, are drawn: fewer where the log has very many of them."""
    return min(samples, max(PROFILE_ENTRIES // max(log.num_users, log.num_items), 16))


@dataclass(frozen=True)
class Rankings:
    """Scores of sampled items for any list of items; or of sampled users for any list of users.

    Parameters
    ----------
    profile : ndarray, shape (I, S) or (U, S), float32
        What each item (user) of a list adds to the score of each sampled one.
    chosen : ndarray, shape (S,)
        The sampled ones, increasing.
    weight : ndarray, shape (S,)
        1 / their probabilities.
    """

    profile: np.ndarray
    chosen: np.ndarray
    weight: np.ndarray

    def percentiles(
        self, owners: sp.csr_matrix, score: np.ndarray, block_entries: int = BLOCK_ENTRIES
    ) -> np.ndarray:
        """Place entries in the rankings of their owners.

        Parameters
        ----------
        owners : csr_matrix, shape (o, I) or (o, U)
            Lists of some owners.
        score : ndarray, shape (r,)
            Left-out score of every entry of them.
        block_entries : int
            Scores that are sorted at once.

        Returns
        -------
        ndarray, shape (r,), float32
            Percentiles, 0 to 1; .5 where nothing is ranked.
        """
        return _placed(owners, self.profile, self.chosen, self.weight, score, block_entries)


class UserRankings(Rankings):
    """Scores of sampled items in the rankings of users."""

    @classmethod
    def of(cls, log: Lists, samples: int = SAMPLES) -> UserRankings:
        """Draw items and count them beside all items; the log is read in parts."""
        chosen, weight = _drawn(log.item_counts, number_of_samples(log, samples), 0)
        profile = np.zeros((log.num_items, len(chosen)), dtype=np.float32)
        for first, last in user_parts(log, PART_ROWS):
            lists = incidence(log, first, last)
            _add_product(profile, lists.T.tocsr(), lists[:, chosen])
        # Items are scaled, so that sums of counts are sums of cosines.
        scale = root(log.item_counts)
        profile *= scale[:, None] * scale[chosen]
        return cls(profile, chosen, weight)


class ItemRankings(Rankings):
    """Scores of sampled users in the rankings of items."""

    @classmethod
    def of(cls, log: Lists, samples: int = SAMPLES) -> ItemRankings:
        """Draw users and add up what their lists say to all users; the log is read in parts."""
        chosen, weight = _drawn(log.user_counts, number_of_samples(log, samples), 1)
        profile = np.zeros((log.num_users, len(chosen)), dtype=np.float32)
        owners, entries = entries_of(log.user_offsets, chosen)
        ones = np.ones(len(entries), dtype=np.float32)
        shape = (log.num_items, len(chosen))
        plain = sp.coo_matrix((ones, (log.items[entries], owners)), shape).tocsr()
        scale = root(log.item_counts)
        for first, last in user_parts(log, PART_ROWS):
            lists = incidence(log, first, last)
            lists.data *= scale[lists.indices]
            _add_product(profile[first:last], lists, plain)
        return cls(profile, chosen, weight)

    @staticmethod
    def owners(log: Lists, ids: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
        """Return the rows (r,) of some items, and their lists of users (b, U), scaled."""
        slots, entries = entries_of(log.item_offsets, ids)
        rows = log.item_order[entries]
        counts = log.item_counts[ids]
        scale = root(counts)
        starts = np.concatenate([[0], np.cumsum(counts)])
        shape = (len(ids), log.num_users)
        return rows, sp.csr_matrix((scale[slots], log.users_of(rows), starts), shape)


def _drawn(counts: np.ndarray, samples: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Systematic sample along the sizes: numbers, increasing, and 1 / probabilities."""
    share = (1 / len(counts) + counts / counts.sum()) / 2
    chance = np.minimum(share * samples, 1)
    order = np.argsort(counts, kind="stable")
    start = seeding.numpy_generator(0, "features", 2, side).random()
    passed = np.floor(np.cumsum(chance[order]) + start)
    chosen = np.sort(order[np.diff(passed, prepend=0) > 0])
    return chosen, (1 / chance[chosen]).astype(np.float32)


def _add_product(total: np.ndarray, left: sp.csr_matrix, right: sp.csr_matrix) -> None:
    """Add the product of two sparse matrices, some columns at a time."""
    columns = right.tocsc()
    for start in range(0, right.shape[1], COLUMNS):
        part = slice(start, start + COLUMNS)
        total[:, part] += (left @ columns[:, part].tocsr()).toarray()


def _placed(
    owners: sp.csr_matrix,
    profile: np.ndarray,
    chosen: np.ndarray,
    weight: np.ndarray,
    score: np.ndarray,
    block_entries: int,
) -> np.ndarray:
    """Percentile of each entry's score in its owner's row of ``owners @ profile``."""
    found = np.empty(len(score), dtype=np.float32)
    column = np.full(owners.shape[1], -1)
    column[chosen] = np.arange(len(chosen))
    step = max(block_entries // max(len(chosen), 1), 1)
    for start in range(0, owners.shape[0], step):
        block = owners[start : start + step]
        rows = slice(owners.indptr[start], owners.indptr[start] + block.nnz)
        owner = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        scores = block @ profile
        own = column[block.indices]
        # What an owner has isn't ranked: last, without weight.
        scores[owner[own >= 0], own[own >= 0]] = np.inf
        found[rows] = _Ranking(scores, weight).percentile(owner, score[rows])
    return found


class _Ranking:
    """Sorted scores of some owners with cumulative weights."""

    def __init__(self, scores: np.ndarray, weight: np.ndarray) -> None:
        order = np.argsort(scores, axis=1)
        self._scores = np.take_along_axis(scores, order, axis=1)
        weights = np.where(np.isinf(self._scores), 0, weight[order])
        self._ends = np.cumsum(weights, axis=1, dtype=np.float32)
        self._middles = self._ends - weights / 2

    def percentile(self, owner: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Share of the weight below; .5 where nothing is ranked."""
        # The tiny number lets scores of 0 tie.
        slack = SLACK * wanted + 1e-12
        below, up_to = self._count(owner, wanted - slack), self._count(owner, wanted + slack)
        ties = (_before(self._ends, owner, below) + _before(self._ends, owner, up_to)) / 2
        place = np.where(up_to > below, ties, self._between(owner, wanted, below))
        total = self._ends[owner, -1]
        return np.where(total > 0, place / np.maximum(total, 1e-30), 0.5)

    def _between(self, owner: np.ndarray, wanted: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Interpolate between the middles of the neighbours' weights."""
        last = self._scores.shape[1] - 1
        above = self._scores[owner, np.minimum(below, last)]
        top = (below > last) | np.isinf(above)
        low, start = _before(self._scores, owner, below), _before(self._middles, owner, below)
        total = self._ends[owner, -1]
        stop = np.where(top, total, self._middles[owner, np.minimum(below, last)])
        # Above the largest, what is left shrinks as the score grows.
        gap = np.where(top, np.maximum(wanted, 1e-30), np.where(top, 1, above) - low)
        share = np.clip((wanted - low) / np.maximum(gap, 1e-30), 0, 1)
        return np.asarray(start + (stop - start) * share)

    def _count(self, owner: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """How many of the owner's sorted scores are smaller, by bisection of all at once."""
        width = self._scores.shape[1]
        count = np.zeros(len(owner), dtype=np.int64)
        for step in 1 << np.arange(width.bit_length())[::-1]:
            probe = count + step
            inside = probe <= width
            smaller = self._scores[owner, np.minimum(probe, width) - 1] < wanted
            count = np.where(inside & smaller, probe, count)
        return count


def _before(values: np.ndarray, owner: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Value before a place in the owner's row; 0 before the first."""
    return np.where(place > 0, values[owner, np.maximum(place, 1) - 1], 0)
