"""Which user earns what of an aggregate metric.

A gap between groups is paid by differences, ``D_u = G(all) - G(all but u's list)``. A metric that
is a sum over items is paid through them: what item v adds under mask k is shared among the users
whose list holds v in the *common* model, from which the horizon starts, the same users for all
masks. Read in each mask's own lists, who is paid would depend on the mask: advantages would no
longer sum to 0 over masks, and the estimate of the gradient would be biased
(`tests/rewards/test_sharing.py` shows both by enumeration). What nobody held is shared by all, so
that shares sum to the metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dvr_ray.metrics import Lists
from dvr_ray.metrics.exposure import over_items

__all__ = ["Holders", "item_shares", "scattered"]


@dataclass(frozen=True)
class Holders:
    """Who held which item before the masks were drawn.

    Parameters
    ----------
    lists : Lists
        This worker's lists of the common model, cut to K.
    counts : Tensor, shape (I,)
        Number of lists of all workers that hold each item.
    users : int
        Number of measured users of all workers.
    """

    lists: Lists
    counts: Tensor
    users: int


def item_shares(parts: Tensor, holders: Holders) -> Tensor:
    """Share the parts of items among users.

    Parameters
    ----------
    parts : Tensor, shape (I,)
        What each item adds to the metric under a mask.
    holders : Holders
        Who is paid.

    Returns
    -------
    Tensor, shape (u,), float64
        By the users of ``holders.lists``; over all workers they sum to ``parts.sum()``.
    """
    held = holders.counts > 0
    each = parts / holders.counts.where(held, 1)
    rest = parts[~held].sum() / max(holders.users, 1)
    return over_items(holders.lists, each.where(held, 0.0)) + rest


def scattered(values: Tensor, users: Tensor, size: int) -> Tensor:
    """Put values (u,) of some users in the places of all, shape (U,), zeros elsewhere."""
    found = torch.zeros(size, dtype=torch.float64)
    found[users] = values
    return found
