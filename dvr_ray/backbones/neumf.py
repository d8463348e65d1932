"""NeuMF: a linear form of the product of embeddings beside a perceptron on their pair.

    s_ui = w . [p_u * q_i ; tower([p'_u ; q'_i])],   tower: dropout, linear, ReLU for every layer

Source: He et al., "Neural collaborative filtering", WWW 2017, eq. 12. Under BPR the score is the
logit: no final sigmoid, and no bias before it, since it would cancel. Embeddings start at
N(0, 0.01^2), layers at Xavier's uniform. Defaults are DVR's: 64 dimensions on both sides, layers
128-64-32-16-8, dropout 0.2. The L2 term counts both embeddings, not the layers.

Ranking can't be a product of tables: it costs U x I towers, about 2,700 multiplications each by
default. The first layer is linear in its two halves, so it is computed once per user and item;
the rest goes by blocks of items, with some tens of MB in use at any time.
"""

from __future__ import annotations

import itertools

import torch
from pydantic import Field
from torch import Tensor, nn

from dvr_ray.backbones.backbone import BACKBONES, Backbone, Tables
from dvr_ray.backbones.dropout import drop
from dvr_ray.backbones.weights import xavier
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions

__all__ = ["NeuMF"]

PAIRS = 1 << 15


class NeuMFParams(Strict):
    """Fields of ``backbone: {name: neumf, ...}``."""

    dim: int = Field(64, ge=1, le=4096, description="Size of the multiplied embeddings p and q.")
    tower_dim: int = Field(
        64, ge=1, le=4096, description="Size of the tower's embeddings p' and q'; half its input."
    )
    hidden: tuple[int, ...] = Field(
        (64, 32, 16, 8), min_length=1, max_length=16, description="Units of the tower's layers."
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Share dropped before every layer.")
    std: float = Field(0.01, gt=0, le=10, description="Standard deviation of first embeddings.")


@BACKBONES.add("neumf")
class NeuMF(Backbone):
    """Neural matrix factorisation.

    Parameters
    ----------
    params : NeuMFParams
        Sizes, dropout and scale.
    users, items : int
        Sizes U and I.
    generator : torch.Generator
        Draws the weights.
    """

    Params = NeuMFParams
    rowwise = True

    def __init__(
        self, params: NeuMFParams, users: int, items: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self._dim, self._tower_dim, self._rate = params.dim, params.tower_dim, params.dropout
        size = params.dim + params.tower_dim
        self.users = nn.Parameter(torch.randn(users, size, generator=generator) * params.std)
        self.items = nn.Parameter(torch.randn(items, size, generator=generator) * params.std)
        sizes = itertools.pairwise([2 * params.tower_dim, *params.hidden])
        self.layers = nn.ParameterList(xavier(low, high, generator) for low, high in sizes)
        self.biases = nn.ParameterList(torch.zeros(units) for units in params.hidden)
        last = xavier(params.dim + params.hidden[-1], 1, generator)
        self.product_weights = nn.Parameter(last[: params.dim, 0].detach().clone())
        self.tower_weights = nn.Parameter(last[params.dim :, 0].detach().clone())

    @classmethod
    def build(cls, params: NeuMFParams, train: Interactions, generator: torch.Generator) -> NeuMF:
        """Make one of the catalogue's size."""
        return cls(params, train.num_users, train.num_items, generator)

    def represent(self) -> Tables:
        """Return both embeddings side by side."""
        return Tables(self.users, self.items)

    def match(self, users: Tensor, items: Tensor) -> Tensor:
        """Score rows of the tables; shapes as in `Backbone.match`."""
        return self._joined(self._user_halves(users), self._item_halves(items))

    def score(
        self, user: Tensor, positive: Tensor, negative: Tensor, keys: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Match triplets, with dropout by keys; what is dropped of a user is shared."""
        halves = self._user_halves(user, keys)
        # A layer takes one stream for the positive and one for the negatives.
        found = [
            self._joined(halves, self._item_halves(items, keys, side), keys, side)
            for side, items in ((1, positive[:, None]), (2, negative))
        ]
        return found[0][:, 0], found[1]

    def item_scores(self, users: Tensor) -> Tensor:
        """Score all items for some users, without gradient: shape (u,) to (u, I)."""
        tables = self.frozen()
        scores = tables.items.new_empty(len(users), len(tables.items))
        step = max(1, PAIRS // max(1, len(users)))
        with torch.no_grad():
            halves = self._user_halves(tables.users[users])
            for start in range(0, len(tables.items), step):
                block = self._item_halves(tables.items[None, start : start + step])
                scores[:, start : start + step] = self._joined(halves, block)
        return scores

    def _user_halves(self, users: Tensor, keys: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weighted factors (b, d) and first layer without the items' half (b, h)."""
        factors, inputs = users[:, : self._dim], users[:, self._dim :]
        inputs = drop(inputs[:, None], self._rate, keys, 0)[:, 0]
        first = inputs @ self.layers[0][: self._tower_dim] + self.biases[0]
        return factors * self.product_weights, first

    def _item_halves(
        self, items: Tensor, keys: Tensor | None = None, side: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Factors and the items' half of the first layer, each with items' first two sizes."""
        factors, inputs = items[..., : self._dim], items[..., self._dim :]
        dropped = drop(inputs, self._rate, keys, side)
        return factors, dropped @ self.layers[0][self._tower_dim :]

    def _joined(
        self,
        users: tuple[Tensor, Tensor],
        items: tuple[Tensor, Tensor],
        keys: Tensor | None = None,
        side: int = 0,
    ) -> Tensor:
        """Put the halves together, shape (b, n)."""
        product = super().match(users[0], items[0])
        hidden = torch.relu(users[1][:, None] + items[1])
        for number, bias in enumerate(self.biases[1:], start=1):
            dropped = drop(hidden, self._rate, keys, 2 * number + side)
            hidden = torch.relu(dropped @ self.layers[number] + bias)
        return product + hidden @ self.tower_weights
