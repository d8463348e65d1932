"""BPRMF: scores are inner products of embeddings, without biases.

Source: Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
Weights start at N(0, 1/d), as in DVR's experiments, or from a decomposition of the training part.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from dvr_ray.backbones.backbone import BACKBONES, Backbone, Tables
from dvr_ray.backbones.weights import Start, decompose
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions

__all__ = ["BPRMF"]


class BPRMFParams(Strict):
    """Fields of ``backbone: {name: bprmf, ...}``."""

    dim: int = Field(64, ge=1, le=4096, description="Size d of an embedding.")
    start: Start = Field(
        "normal", description="Initial weights: drawn, or a truncated SVD of the training part."
    )


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
    rowwise = True

    def __init__(self, users: int, items: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        scale = dim**-0.5
        self.users = nn.Parameter(torch.randn(users, dim, generator=generator) * scale)
        self.items = nn.Parameter(torch.randn(items, dim, generator=generator) * scale)

    @classmethod
    def build(cls, params: BPRMFParams, train: Interactions, generator: torch.Generator) -> BPRMF:
        """Make one of the catalogue's size."""
        made = cls(train.num_users, train.num_items, params.dim, generator)
        if params.start == "spectral":
            decompose(made.users, made.items, train)
        return made

    def represent(self) -> Tables:
        """Return the embeddings themselves."""
        return Tables(self.users, self.items)
