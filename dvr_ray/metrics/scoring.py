"""Metrics for users of the library: ranked lists and relevant items in, a number out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dvr_ray.collective import OneProcess
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import DataError
from dvr_ray.metrics.catalogue import ATTRIBUTES, Catalogue, Categories, group_codes
from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import Metric, parse
from dvr_ray.metrics.needs import lacking
from dvr_ray.metrics.tally import Tally

__all__ = ["score"]

ARGUMENTS = {
    "catalogue": "num_items",
    "popularity": "item_popularity",
    "category": "item_categories",
    "embeddings": "item_embeddings",
} | dict.fromkeys(ATTRIBUTES, "user_groups")


def score(
    name: str,
    ranked_items: np.ndarray,
    relevant_items: Sequence[np.ndarray],
    *,
    num_items: int | None = None,
    item_categories: Sequence[Any] | np.ndarray | None = None,
    user_groups: Sequence[Any] | np.ndarray | None = None,
    item_popularity: np.ndarray | None = None,
    item_embeddings: np.ndarray | None = None,
) -> float:
    """Measure ranked lists.

    Parameters
    ----------
    name : str
        Such as ``ndcg@20`` or ``eo:gender@20``.
    ranked_items : ndarray of int, shape (U, K')
        Each user's distinct items, best first; K' at least the metric's cutoff, or the catalogue.
    relevant_items : sequence of U ndarrays of int
        Each user's relevant items; users without any are left out, their lists too.
    num_items : int, optional
        Size I of the catalogue, for metrics of coverage and exposure. With it, or any other
        argument about items, items are numbers from 0 to I - 1.
    item_categories : sequence of I, optional
        Category of each item, or several of them, for metrics of diversity.
    user_groups : sequence of U, optional
        Group of each user, whatever the metric's name calls it; "unknown" is left out.
    item_popularity : ndarray, shape (I,), optional
        Training rows of each item, by these U users, for novelty.
    item_embeddings : ndarray, shape (I, d), optional
        For ``ild-embedding``.

    Returns
    -------
    float
        Mean over users with relevant items, or the value of all their lists together.

    Raises
    ------
    ConfigError
        If the name is wrong.
    DataError
        If shapes don't fit, lists are too short or repeat an item, an item lies outside of the
        catalogue, no user has a relevant item, or an argument that the metric needs is missing.

    Examples
    --------
    >>> score("recall@2", np.array([[3, 1], [0, 2]]), [np.array([1]), np.array([4, 5])])
    0.5
    >>> score("item-coverage@2", np.array([[3, 1], [0, 3]]), [np.array([1])] * 2, num_items=4)
    0.75
    """
    metric = parse(name)
    lists, relevant = np.asarray(ranked_items), [np.unique(items) for items in relevant_items]
    facts = (item_categories, item_popularity, item_embeddings)
    size = next((len(fact) for fact in facts if fact is not None), num_items)
    _check_lists(lists, len(relevant), min(metric.cutoff, size or metric.cutoff), name)
    if not any(map(len, relevant)):
        raise DataError("relevant_items", "no user has a relevant item", "check the held-out part")
    groups = {} if user_groups is None else dict.fromkeys(ATTRIBUTES, group_codes(user_groups))
    catalogue = Catalogue(
        num_users=len(lists),
        num_items=size,
        popularity=None if item_popularity is None else torch.tensor(item_popularity),
        categories=None if item_categories is None else Categories.of(item_categories),
        groups=groups,
    )
    table = None if item_embeddings is None else torch.tensor(item_embeddings)
    _check_arguments(metric, name, catalogue, table is not None)
    found = Tally({name: metric}, Lists.none(catalogue, table))
    items, held_out = _numbered(lists, relevant, size)
    found.add(Lists.of(np.arange(len(lists)), torch.from_numpy(items), held_out, catalogue, table))
    return found.merge(OneProcess()).value(name)


def _numbered(
    lists: np.ndarray, relevant: list[np.ndarray], size: int | None
) -> tuple[np.ndarray, Interactions]:
    """Lists and relevant items with items from 0: as they are, or by rank without a catalogue."""
    flat = np.concatenate([lists.ravel(), *relevant]).astype(np.int64)
    if size is None:
        known, flat = np.unique(flat, return_inverse=True)
        size = len(known)
    elif len(wrong := flat[(flat < 0) | (flat >= size)]):
        raise DataError(
            "ranked_items and relevant_items",
            f"items must be numbers from 0 to {size - 1}, got {wrong[0]}",
            "number them as in the arguments about items",
        )
    owners = np.repeat(np.arange(len(lists)), [len(items) for items in relevant])
    held_out = Interactions.from_pairs(owners, flat[lists.size :], len(lists), size)
    return flat[: lists.size].reshape(lists.shape), held_out


def _check_arguments(metric: Metric, name: str, catalogue: Catalogue, embeddings: bool) -> None:
    without = lacking(metric.needs, catalogue)
    if "embeddings" in metric.needs and not embeddings:
        without.append("embeddings")
    if without:
        argument = ARGUMENTS[without[0]]
        again = " of two groups at least" if argument == "user_groups" else ""
        raise DataError("score", f"{name} needs {argument}{again}", f"give {argument}=...")


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
