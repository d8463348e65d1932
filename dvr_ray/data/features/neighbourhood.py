"""Where a row would stand in a neighbourhood recommender's rankings, the row itself left out.

Score of user u for item j: ``s(u, j) = sum over i' in u's list of cos(j, i')``. The left-out score
of a row (u, i) is ranked among the scores of the items that u doesn't have, and among the scores
that users without i have for i. Exact over all users and items: the scores of a block of users
are one sparse product, and each score is placed among the block's few left-out scores instead of
sorting the many. Gowalla (29,858 x 40,981) takes about two minutes on one core, once per data set.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext
from dvr_ray.data.features.pairs import incidence, transposed
from dvr_ray.data.interactions import Interactions

__all__ = ["Neighbourhood", "left_out_percentiles"]

BLOCK_ENTRIES = 1 << 23
DIGITS = 6


@FEATURES.add("neighbourhood")
class Neighbourhood(Feature):
    """Percentiles, 0 to 1, of the left-out neighbourhood score."""

    columns = ("percentile in the user's ranking", "percentile in the item's ranking")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train = context.train
        cosine = _cosine(train)
        score = context.by_item.left_out_sum
        log = incidence(train)
        in_user = left_out_percentiles(train, log, cosine, score)
        flipped = transposed(train)
        order = train.item_order
        in_item = np.empty(len(train))
        in_item[order] = left_out_percentiles(flipped, cosine, log.T.tocsr(), score[order])
        return np.stack([in_user, in_item], axis=1)


def left_out_percentiles(
    log: Interactions,
    left: sp.csr_matrix,
    right: sp.csr_matrix,
    score: np.ndarray,
    block_entries: int = BLOCK_ENTRIES,
) -> np.ndarray:
    """Percentile of each row's score among the scores of the pairs that aren't in the log.

    Parameters
    ----------
    log : Interactions
        Its "users" are the owners of rankings.
    left, right : csr_matrix
        ``left @ right`` are all scores, shape (U, I).
    score : ndarray, shape (n,)
        Left-out score of every row.
    block_entries : int
        Entries of a block, which bounds memory.

    Returns
    -------
    ndarray, shape (n,)
        Ties at the middle; .5 for an owner of everything.
    """
    score = np.round(score, DIGITS)
    found = np.full(len(log), 0.5)
    step = max(1, block_entries // max(log.num_items, 1))
    for start in range(0, log.num_users, step):
        stop = min(start + step, log.num_users)
        rows = slice(log.user_offsets[start], log.user_offsets[stop])
        if rows.start == rows.stop:
            continue
        scores = (left[start:stop] @ right).toarray()
        owner = log.users[rows] - start
        scores = np.round(scores, DIGITS)
        scores[owner, log.items[rows]] = np.inf
        below, equal = _counts(scores, owner, score[rows])
        others = log.num_items - log.user_counts[log.users[rows]]
        found[rows] = np.where(others, (below + 0.5 * equal) / np.maximum(others, 1), 0.5)
    return found


def _counts(
    scores: np.ndarray, owner: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many scores of each row's owner lie below, and at, the wanted score."""
    lengths = np.bincount(owner, minlength=len(scores))
    longest = int(lengths.max())
    padded = np.full((len(scores), longest), np.inf, dtype=scores.dtype)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    padded[owner, place] = wanted
    thresholds, order = torch.from_numpy(padded).sort(dim=1)
    values = torch.from_numpy(scores)
    # A score is below every threshold whose place is behind its own insertion point.
    below = _accumulated(torch.searchsorted(thresholds, values, right=True), longest)
    upto = _accumulated(torch.searchsorted(thresholds, values, right=False), longest)
    counts = torch.empty(2, *order.shape, dtype=torch.int64)
    counts[0].scatter_(1, order, below)
    counts[1].scatter_(1, order, upto)
    less, less_or_equal = counts[:, owner, place].numpy()
    return less, less_or_equal - less


def _accumulated(place: torch.Tensor, longest: int) -> torch.Tensor:
    """Number of entries inserted at or before each threshold's place, (rows, longest)."""
    counted = torch.zeros(len(place), longest + 1, dtype=torch.int64)
    counted.scatter_add_(1, place, torch.ones_like(place))
    return counted.cumsum(1)[:, :longest]


def _cosine(log: Interactions) -> sp.csr_matrix:
    """Item-item cosine with a zero diagonal."""
    scale = 1 / np.sqrt(np.maximum(log.item_counts, 1)).astype(np.float32)
    users_by_items = incidence(log)
    scaled = users_by_items @ sp.diags(scale)
    cosine = (scaled.T.tocsr() @ scaled).tocsr()
    cosine.setdiag(0)
    return cosine
