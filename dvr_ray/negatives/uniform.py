"""Uniform negatives: every item that the user has no training interaction with, alike.

Drawn without rejection. Let q_1 <= q_2 <= ... be the user's sorted positives minus their places
0, 1, ...; then the r-th item that is no positive is ``r + #{t: q_t <= r}``, and one search in the
sorted keys of all users finds the count for every row at once.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.sampler import NEGATIVES, NegativeSampler

__all__ = ["Uniform", "UniformParams"]


class UniformParams(Strict):
    """Fields of ``negatives: {name: uniform}``."""

    count: int = Field(1, ge=1, le=10_000, description="Negatives n per positive.")


@NEGATIVES.add("uniform")
class Uniform(NegativeSampler):
    """Uniform over the items that the user has no training interaction with.

    Time O(b n log rows) per draw, memory O(rows). `dvr_ray.data` has refused users who have all
    items.
    """

    Params = UniformParams

    def __init__(self, params: UniformParams, train: Interactions) -> None:
        self._count = params.count
        starts = train.user_offsets[train.users]
        shifted = train.items - (np.arange(len(train)) - starts)
        stride = train.num_items + 1
        self._stride_of_row = torch.from_numpy(train.users * stride)
        self._keys = torch.from_numpy(train.users * stride + shifted)
        self._starts = torch.from_numpy(starts.copy())
        self._free = torch.from_numpy(train.num_items - train.user_counts[train.users])

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw n negatives per training row, shape (b,) to (b, n)."""
        uniform = torch.rand(len(rows), self._count, dtype=torch.float64, generator=generator)
        rank = (uniform * self._free[rows, None]).long()
        wanted = self._stride_of_row[rows, None] + rank
        below = torch.searchsorted(self._keys, wanted, right=True)
        return rank + below - self._starts[rows, None]
