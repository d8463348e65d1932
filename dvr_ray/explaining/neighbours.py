"""What lies nearest to a row: rows with the nearest inputs, and items of its user's own history."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from dvr_ray.explaining.valued import ValuedRun

__all__ = ["alike", "nearest_items"]


def alike(run: ValuedRun, row: int, count: int = 5) -> tuple[tuple[int, float], ...]:
    """Return the rows whose inputs lie nearest to a row's, and how far (Euclid), nearest first.

    Rows with the same inputs have the same value, whoever's they are.
    """
    far = (run.inputs - run.inputs[row]).norm(dim=1)
    far[row] = torch.inf
    found = far.topk(min(count, len(far) - 1), largest=False)
    return tuple(zip(found.indices.tolist(), found.values.double().tolist(), strict=True))


def nearest_items(run: ValuedRun, row: int, count: int = 5) -> tuple[tuple[int, float], ...]:
    """Return the user's other rows with the nearest items, by cosine of the model's embeddings."""
    train = run.train
    user = train.users[row]
    own = np.arange(train.user_offsets[user], train.user_offsets[user + 1])
    own = own[own != row]
    items = run.opened.backbone.frozen().items
    near = cosine_similarity(
        items[torch.from_numpy(train.items[own])].double(), items[train.items[row]][None].double()
    )
    found = near.topk(min(count, len(own)))
    return tuple(zip(own[found.indices.numpy()].tolist(), found.values.tolist(), strict=True))
