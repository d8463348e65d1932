"""Where a row would stand in a neighbourhood recommender's rankings, the row itself left out.

Score of user u for item j: ``s(u, j) = sum over i' in u's list of cos(j, i')``. The left-out score
of a row (u, i) is ranked among the scores of the items that u doesn't have, and among the scores
that users without i have for i; those are scores of the whole log, with (u, i) in it.

Up to a million rows this is exact over all users and items (beyond, see `percentiles`): the scores
of a block of users are one sparse product, whose rows are sorted once to look up the few left-out
scores. Gowalla (29,858 x 40,981) takes about one minute of one core, once per data set, and .6 GB,
most of it the item-item cosines.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch

from dvr_ray.data.features.feature import FEATURES, Feature, FeatureContext
from dvr_ray.data.features.pairs import incidence, transposed
from dvr_ray.data.features.percentiles import SLACK
from dvr_ray.data.interactions import Interactions

__all__ = ["Neighbourhood", "left_out_percentiles"]

BLOCK_ENTRIES = 1 << 23


@FEATURES.add("neighbourhood")
class Neighbourhood(Feature):
    """Percentiles, 0 to 1, of the left-out neighbourhood score."""

    columns = ("percentile in the user's ranking", "percentile in the item's ranking")
    reads = ("cosines", "percentiles")

    def compute(self, context: FeatureContext) -> np.ndarray:
        """Return the two columns."""
        train = context.train
        if not context.exact:
            return context.percentiles
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
    found = np.full(len(log), 0.5)
    step = max(1, block_entries // max(log.num_items, 1))
    for start in range(0, log.num_users, step):
        stop = min(start + step, log.num_users)
        rows = slice(log.user_offsets[start], log.user_offsets[stop])
        if rows.start == rows.stop:
            continue
        scores = (left[start:stop] @ right).toarray()
        owner = log.users[rows] - start
        scores[owner, log.items[rows]] = np.inf
        scores.sort(axis=1)
        below, up_to = _counts(scores, owner, score[rows])
        others = log.num_items - log.user_counts[log.users[rows]]
        found[rows] = np.where(others, (below + up_to) / np.maximum(2 * others, 1), 0.5)
    return found


def _counts(
    scores: np.ndarray, owner: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many of each owner's sorted scores lie below, and up to, the wanted ones."""
    lengths = np.bincount(owner, minlength=len(scores))
    place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    # The tiny number lets scores of 0 tie.
    slack = SLACK * wanted + 1e-12
    bounds = np.zeros((len(scores), 2, int(lengths.max())), dtype=scores.dtype)
    bounds[owner, 0, place] = wanted - slack
    bounds[owner, 1, place] = wanted + slack
    flat = torch.from_numpy(bounds.reshape(len(scores), -1))
    counts = torch.searchsorted(torch.from_numpy(scores), flat).numpy().reshape(bounds.shape)
    return counts[owner, 0, place], counts[owner, 1, place]


def _cosine(log: Interactions) -> sp.csr_matrix:
    """Item-item cosine; its diagonal never counts, as only items outside the list are scored."""
    scale = 1 / np.sqrt(np.maximum(log.item_counts, 1)).astype(np.float32)
    scaled = incidence(log) @ sp.diags(scale)
    return scaled.T.tocsr() @ scaled
