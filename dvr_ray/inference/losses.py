"""The loss of rows that nobody trained with, by a finished backbone.

The loss of a row (u, i) is the mean of ``softplus(s_uj - s_ui)`` over `DRAWS` items j, drawn evenly
from all and left out where u has them in the log that is valued. A row all of whose draws are left
out gets the mean of the others.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.data.interactions import Interactions
from dvr_ray.seeding import generator

__all__ = ["DRAWS", "row_losses"]

DRAWS = 8
PIECE = 1 << 14


def row_losses(
    backbone: Backbone, part: Interactions, users: np.ndarray, seed: int, number: int
) -> np.ndarray:
    """Return the loss of every row of a block, shape (n,), float64.

    Parameters
    ----------
    backbone : Backbone
        On the CPU.
    part : Interactions
        All rows of some users.
    users : ndarray, shape (u,)
        The users' numbers in the backbone.
    seed, number : int
        Of the run and of the block: the draws depend on both.
    """
    draws = generator(seed, "value losses", number)
    tables, found = backbone.frozen(), np.empty(len(part))
    for start in range(0, len(part), PIECE):
        rows = slice(start, start + PIECE)
        mine, items = part.users[rows], torch.from_numpy(part.items[rows])
        negatives = torch.randint(part.num_items, (len(mine), DRAWS), generator=draws)
        usable = torch.from_numpy(~part.contains(mine[:, None], negatives.numpy()))
        user = tables.users[torch.from_numpy(users[mine].astype(np.int64))]
        positive = backbone.match(user, tables.items[items][:, None])
        each = softplus(backbone.match(user, tables.items[negatives]) - positive).double()
        total, count = (each * usable).sum(1), usable.sum(1)
        found[rows] = torch.where(count > 0, total / count.clamp_min(1), torch.nan).numpy()
    known = ~np.isnan(found)
    return np.where(known, found, found[known].mean() if known.any() else 0.0)
