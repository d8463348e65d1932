"""Metrics for users of the library: ranked lists and relevant items in, a number out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dvr_ray.errors import DataError
from dvr_ray.metrics.metric import parse

__all__ = ["score"]


def score(
    name: str,
    ranked_items: np.ndarray,
    relevant_items: Sequence[np.ndarray],
    *,
    num_items: int | None = None,
    item_categories: np.ndarray | None = None,
    user_groups: np.ndarray | None = None,
) -> float:
    """Measure ranked lists.

    Parameters
    ----------
    name : str
        Such as ``ndcg@20``.
    ranked_items : ndarray of int, shape (U, K')
        Each user's distinct items, best first; K' at least the metric's cutoff.
    relevant_items : sequence of U ndarrays of int
        Each user's relevant items; users without any are left out of the mean.
    num_items : int, optional
        Size of the catalogue, for metrics of coverage and concentration.
    item_categories : ndarray, optional
        Category of each item, for metrics of diversity.
    user_groups : ndarray, shape (U,), optional
        Group of each user, for metrics of fairness.

    Returns
    -------
    float
        Mean over users with relevant items.

    Raises
    ------
    ConfigError
        If the name is wrong.
    DataError
        If shapes don't fit, lists are too short, or no user has a relevant item.

    Examples
    --------
    >>> score("recall@2", np.array([[3, 1], [0, 2]]), [np.array([1]), np.array([4, 5])])
    0.5
    """
    metric = parse(name)
    lists = np.asarray(ranked_items)
    if lists.ndim != 2 or len(lists) != len(relevant_items):
        raise DataError(
            "ranked_items",
            f"must have shape (U, K) with U = {len(relevant_items)}, got {lists.shape}",
            "give one list per entry of relevant_items",
        )
    if lists.shape[1] < metric.cutoff:
        raise DataError(
            "ranked_items",
            f"{name} needs {metric.cutoff} places a list, got {lists.shape[1]}",
            "rank more items or lower the cutoff",
        )
    unique = [np.unique(np.asarray(items)) for items in relevant_items]
    counts = np.array([len(items) for items in unique])
    if not counts.any():
        raise DataError("relevant_items", "no user has a relevant item", "check the held-out part")
    hits = _hits(lists, unique, counts)
    has = torch.from_numpy(counts > 0)
    relevant = torch.from_numpy(counts)
    return float(metric.per_user(torch.from_numpy(hits)[has], relevant[has]).mean())


def _hits(lists: np.ndarray, relevant: Sequence[np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Which places hold a relevant item: one search in all (user, item) keys at once."""
    flat = np.concatenate([items for items in relevant if len(items)]).astype(np.int64)
    low = min(int(flat.min()), int(lists.min()))
    width = max(int(flat.max()), int(lists.max())) - low + 1
    keys = np.repeat(np.arange(len(counts)), counts) * width + flat - low
    wanted = np.arange(len(lists))[:, None] * width + lists - low
    return np.isin(wanted, keys)
