"""Multi-GCCF: a bipartite convolution beside graphs of alike users and alike items, and a skip.

    bipartite   n_u^k = tanh(mean of h_v^(k-1) Q_u^k over u's items)
                h_u^k = tanh([h_u^(k-1) ; n_u^k] W_u^k),   h^0 = e
    multigraph  z_u = tanh((sum of e_u' over users like u) M_u)
    skip        s_u = tanh(e_u S_u)
    fusion      e*_u = h_u^K + z_u + s_u (or side by side),   s_ui = e*_u . e*_i

Items likewise with matrices of their own. Alike are users (items) whose rows (columns) of the
training matrix have a cosine above the threshold that gives the wanted average degree.

Source: Sun et al., "Multi-graph convolution collaborative filtering", ICDM 2019. The authors gave
no code. Here all neighbours are averaged instead of a sample per layer, there is no message
dropout, and fusion by attention is left out. The L2 term counts the final representations of the
triplets, the paper's beta; its other term, lambda times the norm of all weights, is left out.

A step convolves the whole graph on every worker, whatever the batch. The graphs take 48 bytes
a training row and 12 bytes x degree a user and item; replicas of a run share them.
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from dvr_ray.backbones.backbone import BACKBONES, Backbone, Tables
from dvr_ray.backbones.graph import SparseMatrix, binary, csr, once
from dvr_ray.backbones.similarity import cosine_graph
from dvr_ray.backbones.weights import xavier
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions

__all__ = ["MGCF"]


class MGCFParams(Strict):
    """Fields of ``backbone: {name: mgcf, ...}``."""

    dim: int = Field(64, ge=1, le=4096, description="Size d of an embedding.")
    hidden: tuple[int, ...] = Field(
        (64, 64), min_length=1, max_length=8, description="Sizes of h^1 ... h^K; the last of all."
    )
    degree: float = Field(10.0, ge=1, le=1000, description="Average number of alike users, items.")
    bipartite: bool = Field(True, description="Whether the bipartite convolution counts.")
    multigraph: bool = Field(True, description="Whether graphs of alike users and items count.")
    skip: bool = Field(True, description="Whether the embedding itself counts.")
    fusion: Literal["sum", "concat"] = Field("sum", description="How the parts are put together.")

    @model_validator(mode="after")
    def _any_part(self) -> MGCFParams:
        if not (self.bipartite or self.multigraph or self.skip):
            raise ValueError("one of bipartite, multigraph and skip must be true")
        return self


class _Side(nn.Module):
    """Matrices and graphs of the users, or of the items.

    Parameters
    ----------
    params : MGCFParams
        Sizes and parts.
    neighbours : tuple of Tensor
        Mean over the other side's neighbours, and its transpose.
    alike : Tensor or None
        Graph of its own side; None where it doesn't count.
    generator : torch.Generator
        Draws the weights.
    """

    def __init__(
        self,
        params: MGCFParams,
        neighbours: tuple[Tensor, Tensor],
        alike: Tensor | None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        size, last = params.dim, params.hidden[-1]
        pairs = list(itertools.pairwise([size, *params.hidden])) if params.bipartite else []
        self.neighbours = SparseMatrix(*neighbours)
        self.gathering = nn.ParameterList(xavier(low, high, generator) for low, high in pairs)
        self.joining = nn.ParameterList(xavier(low + high, high, generator) for low, high in pairs)
        self.alike = None if alike is None else SparseMatrix(alike)
        self.alike_weights = xavier(size, last, generator) if params.multigraph else None
        self.skip_weights = xavier(size, last, generator) if params.skip else None

    def convolve(self, layer: int, own: Tensor, others: Tensor) -> Tensor:
        """One bipartite layer of this side."""
        gathered = torch.tanh(self.neighbours(others @ self.gathering[layer]))
        return torch.tanh(torch.cat([own, gathered], 1) @ self.joining[layer])

    def others(self, embeddings: Tensor) -> list[Tensor]:
        """Those of the other two parts that count."""
        found = []
        if self.alike is not None and self.alike_weights is not None:
            found.append(torch.tanh(self.alike(embeddings) @ self.alike_weights))
        if self.skip_weights is not None:
            found.append(torch.tanh(embeddings @ self.skip_weights))
        return found


@BACKBONES.add("mgcf")
class MGCF(Backbone):
    """Multi-graph convolution; its three parts switch off one by one.

    Parameters
    ----------
    params : MGCFParams
        Sizes and parts.
    train : Interactions
        The training part, whose graphs are made once.
    generator : torch.Generator
        Draws the weights.
    """

    Params = MGCFParams

    def __init__(self, params: MGCFParams, train: Interactions, generator: torch.Generator) -> None:
        super().__init__()
        self._layers, self._bipartite = len(params.hidden), params.bipartite
        self._concat = params.fusion == "concat"
        self.users = xavier(train.num_users, params.dim, generator)
        self.items = xavier(train.num_items, params.dim, generator)
        of_users, of_items = once(train, "means", lambda: _means(train))
        alike: tuple[Tensor | None, ...] = (None, None)
        if params.multigraph:
            alike = once(train, ("alike", params.degree), lambda: _alike(train, params.degree))
        self.user_side = _Side(params, of_users, alike[0], generator)
        self.item_side = _Side(params, of_items, alike[1], generator)

    @classmethod
    def build(cls, params: MGCFParams, train: Interactions, generator: torch.Generator) -> MGCF:
        """Make one for the training part's graphs."""
        return cls(params, train, generator)

    def represent(self) -> Tables:
        """Convolve and fuse: the representations e*, (U, D) and (I, D)."""
        users, items = self.users, self.items
        left, right = self.user_side.others(users), self.item_side.others(items)
        if self._bipartite:
            convolved = self._convolved(users, items)
            left, right = [convolved.users, *left], [convolved.items, *right]
        return Tables(self._fused(left), self._fused(right))

    def _convolved(self, users: Tensor, items: Tensor) -> Tables:
        for layer in range(self._layers):
            users, items = (
                self.user_side.convolve(layer, users, items),
                self.item_side.convolve(layer, items, users),
            )
        return Tables(users, items)

    def _fused(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, 1) if self._concat else torch.stack(parts).sum(0)


def _means(train: Interactions) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Means over each user's items (U, I) and each item's users (I, U), with transposes."""
    known = binary(train)
    pairs = []
    for matrix, counts in ((known, train.user_counts), (known.T, train.item_counts)):
        mean = (sp.diags(1 / np.maximum(counts, 1)) @ matrix).tocsr()
        pairs.append((csr(mean), csr(mean.T.tocsr())))
    return pairs[0], pairs[1]


def _alike(train: Interactions, degree: float) -> tuple[Tensor, Tensor]:
    known = binary(train)
    return csr(cosine_graph(known, degree)), csr(cosine_graph(known.T.tocsr(), degree))
