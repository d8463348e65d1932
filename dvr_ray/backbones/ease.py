"""EASE^R: a linear item-to-item model in closed form, as a control that needs no training.

    P = (X'X + l2 I)^-1,   B = I - P diag(P)^-1 (zero diagonal),   s_ui = X_u B

X is the binary matrix of training interactions. B is computed in float64 when the backbone is
made; it is no part of a checkpoint, since the training part determines it.

Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, eq. 8.

Time I^3; memory 12 I^2 bytes while B is made, 4 I^2 after it, on every worker. Hence ``max_items``.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from scipy.linalg import lapack
from torch import Tensor
from torch.nn.functional import embedding_bag

from dvr_ray.backbones.backbone import BACKBONES, Backbone, Tables, TripletOutput
from dvr_ray.backbones.graph import binary, once
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import ConfigError

__all__ = ["EASE"]

BLOCK = 1024
BYTES = 12


class EASEParams(Strict):
    """Fields of ``backbone: {name: ease, ...}``."""

    l2: float = Field(
        500.0, ge=1e-3, le=1e9, description="Ridge penalty on the item-to-item weights."
    )
    max_items: int = Field(
        20_000, ge=1, le=10**6, description="Refuse more items; 12 bytes x items^2 are needed."
    )


@BACKBONES.add("ease")
class EASE(Backbone):
    """Ridge regression of every item on all others; nothing to train.

    Parameters
    ----------
    train : Interactions
        Training part.
    weights : Tensor, shape (I, I)
        The matrix B.
    """

    Params = EASEParams
    trainable = False

    _offsets: Tensor
    _items: Tensor
    _weights: Tensor

    def __init__(self, train: Interactions, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("_offsets", torch.from_numpy(train.user_offsets), persistent=False)
        self.register_buffer("_items", torch.from_numpy(train.items), persistent=False)
        self.register_buffer("_weights", weights, persistent=False)

    @classmethod
    def build(cls, params: EASEParams, train: Interactions, generator: torch.Generator) -> EASE:
        """Solve for B; the generator isn't used.

        Raises
        ------
        ConfigError
            If there are more items than ``max_items``.
        """
        items = train.num_items
        if items > params.max_items:
            raise ConfigError(
                "run: backbone",
                f"ease takes at most backbone.max_items = {params.max_items} items, got {items}",
                f"raise it if {BYTES * items**2 / 1e9:.1f} GB of memory can be had, or raise "
                "data.core",
            )
        weights = once(train, ("ease", params.l2), lambda: _solve(train, params.l2))
        return cls(train, torch.from_numpy(weights))

    def represent(self) -> Tables:
        """Return the rows of X and the columns of B, dense: (U, I) and (I, I).

        Only for whoever asks for representations; scores are made without them.
        """
        users = torch.arange(len(self._offsets) - 1, device=self.device)
        known, owner = self._known(users)
        rows = self._weights.new_zeros(len(users), len(self._weights))
        rows[owner, known] = 1
        return Tables(rows, self._weights.T)

    def forward(
        self, users: Tensor, positives: Tensor, negatives: Tensor, keys: Tensor | None = None
    ) -> TripletOutput:
        """Score triplets from the entries of B that they need; nothing is regularised."""
        listed = torch.cat([positives[:, None], negatives.expand(len(users), -1)], 1)
        known, owner = self._known(users)
        scores = self._weights.new_zeros(listed.shape)
        scores.index_add_(0, owner, self._weights[known[:, None], listed[owner]])
        return TripletOutput(scores[:, 0], scores[:, 1:], scores.new_zeros(len(users)))

    def item_scores(self, users: Tensor) -> Tensor:
        """Score all items for some users: shape (u,) to (u, I)."""
        known, _ = self._known(users)
        counts = self._offsets[users + 1] - self._offsets[users]
        return embedding_bag(known, self._weights, counts.cumsum(0) - counts, mode="sum")

    def _known(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Training items of users (u,) one after the other, and the place of whose they are."""
        starts = self._offsets[users]
        counts = self._offsets[users + 1] - starts
        owner = torch.arange(len(users), device=users.device).repeat_interleave(counts)
        first = counts.cumsum(0) - counts
        within = torch.arange(len(owner), device=users.device) - first[owner]
        return self._items[starts[owner] + within], owner


def _solve(train: Interactions, l2: float) -> np.ndarray:
    """Return B, float32; the inverse takes the place of the Gram matrix."""
    known, items = binary(train), train.num_items
    gram = np.empty((items, items), order="F")
    transposed = known.T.tocsr()
    for start in range(0, items, BLOCK):
        gram[:, start : start + BLOCK] = (transposed[start : start + BLOCK] @ known).toarray().T
    gram[np.diag_indices(items)] += l2
    factor, _ = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    weights: np.ndarray = inverse.astype(np.float32, order="C")
    diagonal = inverse.diagonal().astype(np.float32)
    del gram, factor, inverse
    for item in range(items):
        # LAPACK fills one triangle.
        weights[item, item + 1 :] = weights[item + 1 :, item]
    weights /= -diagonal
    np.fill_diagonal(weights, 0)
    return weights
