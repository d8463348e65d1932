"""Area under the ROC curve, ties at mid-rank.

Breaking ties by the order of rows flatters or harms: planted rows often stand last.
"""

from __future__ import annotations

import numpy as np

__all__ = ["chance_half_width", "roc_auc", "roc_curve"]


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive row scores above a negative one, ties counting one half.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Any finite numbers.
    positive : ndarray of bool, shape (n,)
        Here: the real rows, so that .5 is chance and 1 means that planted rows score lowest.

    Returns
    -------
    float
        0 to 1; NaN where all rows are of one kind.
    """
    wanted = int(positive.sum())
    others = len(positive) - wanted
    if not wanted or not others:
        return float("nan")
    from scipy.stats import rankdata  # takes longer to import than most trials wait

    ranks = rankdata(scores)[positive].sum()
    return float((ranks - wanted * (wanted + 1) / 2) / (wanted * others))


def roc_curve(
    scores: np.ndarray, positive: np.ndarray, points: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the ROC curve.

    Parameters
    ----------
    scores, positive
        As in `roc_auc`.
    points : int
        At most so many, evenly spread over the thresholds.

    Returns
    -------
    tuple of ndarray
        False and true positive rates, from (0, 0) to (1, 1).
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    chosen = ends[np.unique(np.linspace(0, len(ends) - 1, points).astype(int))]
    true = np.cumsum(positive[order])[chosen] / max(positive.sum(), 1)
    false = np.cumsum(~positive[order])[chosen] / max((~positive).sum(), 1)
    return np.append(0.0, false), np.append(0.0, true)


def chance_half_width(positives: int, negatives: int) -> float:
    """Half width of the 95% band of the AUC of random scores (Hanley and McNeil, 1982)."""
    if not positives or not negatives:
        return float("nan")
    return float(1.96 * np.sqrt((positives + negatives + 1) / (12 * positives * negatives)))
