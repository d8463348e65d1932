"""Uniform negatives: every item that the user has no training interaction with, alike.

Drawn without rejection. Let q_1 <= q_2 <= ... be the user's sorted positives minus their places
0, 1, ...; then the r-th item that is no positive is ``r + #{t: q_t <= r}``, and one search in the
sorted keys of all users finds the count for every row at once.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.sampler import NEGATIVES, NegativeSampler

__all__ = ["Uniform"]


class UniformParams(Strict):
    """Fields of ``negatives: {name: uniform}``: none."""


@NEGATIVES.add("uniform")
class Uniform(NegativeSampler):
    """Uniform over the items that the user has no training interaction with.

    Time O(n log n) per draw, memory O(n). `dvr_ray.data` has refused users who have all items.
    """

    Params = UniformParams

    def __init__(self, params: UniformParams, train: Interactions) -> None:
        starts = train.user_offsets[train.users]
        shifted = train.items - (np.arange(len(train)) - starts)
        stride = train.num_items + 1
        self._stride_of_row = torch.from_numpy(train.users * stride)
        self._keys = torch.from_numpy(train.users * stride + shifted)
        self._starts = torch.from_numpy(starts.copy())
        self._free = torch.from_numpy(train.num_items - train.user_counts[train.users])

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw one negative per training row, shape (n,)."""
        uniform = torch.rand(len(self._free), dtype=torch.float64, generator=generator)
        rank = (uniform * self._free).long()
        below = torch.searchsorted(self._keys, self._stride_of_row + rank, right=True)
        return rank + below - self._starts
