"""TIL-UI: a triplet's state is made of the user's and the items' embeddings.

    [ u * i + uni * i ; u * j + uni * j ],   uni = mean embedding of the user's training items

Products are elementwise; state 12 of the published code. uni is read at the start of each epoch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from dvr_ray.backbones import Tables
from dvr_ray.weightings.look_ahead import Rows
from dvr_ray.weightings.til import TilParams, TripletImportance, mean_negative
from dvr_ray.weightings.weighting import WEIGHTINGS, TripletBatch, WeightingParts

__all__ = ["UserItemImportance"]


class TilUiParams(TilParams):
    """Fields of ``method: {name: til-ui}``."""


@WEIGHTINGS.add("til-ui")
class UserItemImportance(TripletImportance):
    """Learn triplets' weights from embeddings of user, items and the user's other items."""

    Params = TilUiParams

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        train = parts.data.train
        self._items = torch.from_numpy(train.items).to(parts.device)
        self._starts = torch.from_numpy(train.user_counts.cumsum() - train.user_counts)
        self._uni = torch.empty(0)

    def refresh(self, tables: Tables, epoch: int) -> None:
        """Average the embeddings of every user's training items; zeros for a user without any."""
        starts = self._starts.to(self._items.device)
        self._uni = embedding_bag(self._items, tables.items, starts, mode="mean")

    def state(self, triplets: TripletBatch, rows: Rows) -> Tensor:
        """Return the state, shape (b, 2 D)."""
        both = rows.user + self._uni[triplets.users]
        negative = mean_negative(rows.negative, triplets)
        return torch.cat([both * rows.positive, both * negative], 1)
