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

import numpy as np
import scipy.sparse as sp

from dvr_ray import seeding
from dvr_ray.data.features.pairs import incidence
from dvr_ray.data.interactions import Interactions

__all__ = ["SLACK", "sampled_percentiles"]

# Sums of cosines in float32 that are equal but for rounding must tie: they differ by less.
SLACK = 1e-5
SAMPLES = 1024
PROFILE_ENTRIES, BLOCK_ENTRIES, COLUMNS = 1 << 27, 1 << 22, 64


def sampled_percentiles(
    log: Interactions,
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
    samples = min(samples, max(PROFILE_ENTRIES // max(log.num_users, log.num_items), 16))
    by_user = incidence(log)
    by_item = by_user.T.tocsr()
    # Items are scaled, so that sums of counts are sums of cosines.
    scale = (1 / np.sqrt(np.maximum(log.item_counts, 1))).astype(np.float32)
    found = np.empty((len(log), 2), dtype=np.float32)
    chosen, weight = _drawn(log.item_counts, samples, 0)
    profile = _profile(by_item, by_item[chosen].T.tocsr())
    profile *= scale[:, None] * scale[chosen]
    found[:, 0] = _placed(by_user, profile, chosen, weight, score, block_entries)
    chosen, weight = _drawn(log.user_counts, samples, 1)
    by_user.data *= scale[log.items]
    by_item.data *= np.repeat(scale, log.item_counts)
    plain = incidence(log)[chosen].T.tocsr()
    profile = _profile(by_user, plain)
    order = log.item_order
    found[order, 1] = _placed(by_item, profile, chosen, weight, score[order], block_entries)
    return found


def _drawn(counts: np.ndarray, samples: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Systematic sample along the sizes: numbers, increasing, and 1 / probabilities."""
    share = (1 / len(counts) + counts / counts.sum()) / 2
    chance = np.minimum(share * samples, 1)
    order = np.argsort(counts, kind="stable")
    start = seeding.numpy_generator(0, "features", 2, side).random()
    passed = np.floor(np.cumsum(chance[order]) + start)
    chosen = np.sort(order[np.diff(passed, prepend=0) > 0])
    return chosen, (1 / chance[chosen]).astype(np.float32)


def _profile(left: sp.csr_matrix, right: sp.csr_matrix) -> np.ndarray:
    """Return the product of two sparse matrices, dense; some columns at a time."""
    found = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)
    columns = right.tocsc()
    for start in range(0, right.shape[1], COLUMNS):
        part = slice(start, start + COLUMNS)
        found[:, part] = (left @ columns[:, part].tocsr()).toarray()
    return found


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
