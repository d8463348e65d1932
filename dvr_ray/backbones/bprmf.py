"""BPRMF: scores are inner products of embeddings, without biases.

Source: Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
Weights start at N(0, 1/d), as in DVR's experiments.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from dvr_ray.backbones.backbone import BACKBONES, Backbone, TripletOutput
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions

__all__ = ["BPRMF"]


class BPRMFParams(Strict):
    """Fields of ``backbone: {name: bprmf, ...}``."""

    dim: int = Field(64, ge=1, le=4096, description="Size d of an embedding.")


@BACKBONES.add("bprmf")
class BPRMF(Backbone):
    """Matrix factorisation.

    Parameters
    ----------
    users, items : int
        Sizes U and I.
    dim : int
        Size d.
    generator : torch.Generator
        Draws the weights.
    """

    Params = BPRMFParams

    def __init__(self, users: int, items: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        scale = dim**-0.5
        start = [torch.randn(size, dim, generator=generator) * scale for size in (users, items)]
        self.users = nn.Embedding(users, dim, sparse=True, _weight=start[0])
        self.items = nn.Embedding(items, dim, sparse=True, _weight=start[1])

    @classmethod
    def build(cls, params: BPRMFParams, train: Interactions, generator: torch.Generator) -> BPRMF:
        """Make one of the catalogue's size."""
        return cls(train.num_users, train.num_items, params.dim, generator)

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor) -> TripletOutput:
        """Score triplets by e_u . e_i and e_u . e_j."""
        user = self.users(users)
        # One lookup of both sides leaves one sparse gradient to combine.
        items = self.items(torch.cat([positives, negatives]))
        positive, negative = items[: len(users)], items[len(users) :]
        squares = user.square() + positive.square() + negative.square()
        return TripletOutput((user * positive).sum(1), (user * negative).sum(1), squares.sum(1))

    def item_scores(self, users: Tensor) -> Tensor:
        """Score all items: (u, d) @ (d, I)."""
        scores: Tensor = self.users.weight[users] @ self.items.weight.T
        return scores

    def embeddings(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of the two tables."""
        return self.users.weight[users], self.items.weight[items]
