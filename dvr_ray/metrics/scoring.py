"""Metrics for users of the library: ranked lists and relevant items in, a number out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import DataError
from dvr_ray.metrics.metric import parse

__all__ = ["hits", "score"]


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
        If shapes don't fit, lists are too short or repeat an item, or no user has a relevant item.

    Examples
    --------
    >>> score("recall@2", np.array([[3, 1], [0, 2]]), [np.array([1]), np.array([4, 5])])
    0.5
    """
    metric = parse(name)
    lists = np.asarray(ranked_items)
    _check_lists(lists, len(relevant_items), metric.cutoff, name)
    unique = [np.unique(np.asarray(items)) for items in relevant_items]
    counts = np.array([len(items) for items in unique])
    if not counts.any():
        raise DataError("relevant_items", "no user has a relevant item", "check the held-out part")
    found = _found(lists, unique, counts)
    values = metric.per_user(torch.from_numpy(found), torch.from_numpy(counts))
    return float(values.nanmean())


def hits(ranked_items: np.ndarray | Tensor, users: np.ndarray, held_out: Interactions) -> Tensor:
    """Tell which places of ranked lists hold a held-out item of their user.

    Parameters
    ----------
    ranked_items : ndarray or Tensor of int, shape (u, K)
        Items, best first.
    users : ndarray of int, shape (u,)
        Whose lists they are.
    held_out : Interactions
        The part that is measured on.

    Returns
    -------
    Tensor of bool, shape (u, K), on the CPU
    """
    lists = ranked_items.cpu().numpy() if isinstance(ranked_items, Tensor) else ranked_items
    owners = np.broadcast_to(np.asarray(users)[:, None], lists.shape)
    return torch.from_numpy(held_out.contains(owners, lists))


def _check_lists(lists: np.ndarray, users: int, cutoff: int, name: str) -> None:
    if lists.ndim != 2 or len(lists) != users:
        raise DataError(
            "ranked_items",
            f"must have shape (U, K) with U = {users}, got {lists.shape}",
            "give one list per entry of relevant_items",
        )
    if lists.shape[1] < cutoff:
        raise DataError(
            "ranked_items",
            f"{name} needs {cutoff} places a list, got {lists.shape[1]}",
            "rank more items or lower the cutoff",
        )
    ordered = np.sort(lists, axis=1)
    repeated = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
    if len(repeated):
        row, place = repeated[0]
        raise DataError(
            f"ranked_items: list {row}",
            f"items must be distinct, got item {ordered[row, place]} twice",
            "rank every item once",
        )


def _found(lists: np.ndarray, relevant: Sequence[np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Which places hold a relevant item: one search in all (user, item) keys at once."""
    flat = np.concatenate([items for items in relevant if len(items)]).astype(np.int64)
    low = min(int(flat.min()), int(lists.min()))
    width = max(int(flat.max()), int(lists.max())) - low + 1
    keys = np.repeat(np.arange(len(counts)), counts) * width + flat - low
    wanted = np.arange(len(lists))[:, None] * width + lists - low
    return np.isin(wanted, keys)
