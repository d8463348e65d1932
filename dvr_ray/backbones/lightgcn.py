"""LightGCN: embeddings are averaged over neighbourhoods, without weights or non-linearities.

    E^(k+1) = D^-1/2 A D^-1/2 E^(k),   E = mean of E^(0) ... E^(L),   s_ui = e_u . e_i

Source: He et al., "LightGCN: simplifying and powering graph convolution network for
recommendation", SIGIR 2020, eq. 3-8; initial weights and the L2 term, which counts E^(0) of the
triplets, as in the authors' PyTorch code.

A step propagates the whole graph forward and backward, 2 L sparse products of 2 n entries and d
columns, whatever the batch: with W workers each one does so. The matrix takes 24 bytes a training
row and is shared by the replicas of a run.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from dvr_ray.backbones.backbone import BACKBONES, Backbone, Tables
from dvr_ray.backbones.graph import SparseMatrix, adjacency, csr, once
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions

__all__ = ["LightGCN"]


class LightGCNParams(Strict):
    """Fields of ``backbone: {name: lightgcn, ...}``."""

    dim: int = Field(64, ge=1, le=4096, description="Size d of an embedding.")
    layers: int = Field(3, ge=0, le=16, description="Propagation layers L.")
    std: float = Field(0.1, gt=0, le=10, description="Standard deviation of initial weights.")


@BACKBONES.add("lightgcn")
class LightGCN(Backbone):
    """Linear propagation over the graph of users and items.

    Parameters
    ----------
    params : LightGCNParams
        Sizes and scale.
    graph : SparseMatrix, shape (U + I, U + I)
        Normalised adjacency, users first.
    users, items : int
        Sizes U and I.
    generator : torch.Generator
        Draws the weights.
    """

    Params = LightGCNParams

    def __init__(
        self,
        params: LightGCNParams,
        graph: SparseMatrix,
        users: int,
        items: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._layers, self._graph = params.layers, graph
        self.users = nn.Parameter(torch.randn(users, params.dim, generator=generator) * params.std)
        self.items = nn.Parameter(torch.randn(items, params.dim, generator=generator) * params.std)

    @classmethod
    def build(
        cls, params: LightGCNParams, train: Interactions, generator: torch.Generator
    ) -> LightGCN:
        """Make one for the training part's graph."""
        matrix = once(train, "adjacency", lambda: csr(adjacency(train)))
        return cls(params, SparseMatrix(matrix), train.num_users, train.num_items, generator)

    def represent(self) -> Tables:
        """Propagate: the mean over layers 0 to L."""
        layer: Tensor = torch.cat([self.users, self.items])
        total = layer
        for _ in range(self._layers):
            layer = self._graph(layer)
            total = total + layer
        mean = total / (self._layers + 1)
        return Tables(mean[: len(self.users)], mean[len(self.users) :])

    def regularised(self, tables: Tables) -> Tables:
        """Return the embeddings before propagation."""
        return Tables(self.users, self.items)
