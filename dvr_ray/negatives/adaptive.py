"""Adaptive oversampling (AOBPR): negatives by the rank that the model gives them.

The target is ``p(j | u)`` in proportion to ``exp(-r / lambda)``, r the rank of item j among all
items for user u. Where scores are inner products it is drawn by factor ranks:

1. a rank r, ``p(r)`` in proportion to ``exp(-(r + 1) / lambda)``, r = 0 .. I - 1;
2. a factor f, ``p(f | u)`` in proportion to ``|e_uf| sigma_f``, sigma_f the standard deviation of
   the items' factor f;
3. the item at position r of all items sorted by factor f descending if ``e_uf > 0``, from the end
   of that list if not; all three drawn again if it is a positive.

Source: Rendle & Freudenthaler, "Improving pairwise learning for item recommendation from implicit
feedback", WSDM 2014. The sorted lists and sigma are renewed every I ln I trained rows. Departures:
eight attempts, then a uniform item that is no positive. The scheme depends on the basis of the
embeddings. LibRec's code divides whole numbers in step 1, which makes p(r) a step function; not
here.

A backbone with a matching of its own (NeuMF) has no factors to rank by. There the exact rank among
M uniform candidates is used, geometric with mean ``lambda M / I``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.proposal import Proposal
from dvr_ray.negatives.redraws import Redraws
from dvr_ray.negatives.sampler import NEGATIVES, Negatives, NegativeSampler

__all__ = ["Adaptive", "AdaptiveParams", "FactorLists"]


class AdaptiveParams(Strict):
    """Fields of ``negatives: {name: adaptive}``."""

    count: int = Field(1, ge=1, le=10_000, description="Negatives n per positive.")
    share: float = Field(
        0.05, gt=0, le=10, description="Lambda as a share of the number of items; small is hard."
    )
    pool: int = Field(
        100, ge=1, le=10_000, description="Candidates M, for backbones without factors (NeuMF)."
    )


class FactorLists(NamedTuple):
    """Items sorted by each factor descending, (D, I), and the factors' spread, (D,)."""

    order: Tensor
    spread: Tensor


@NEGATIVES.add("adaptive")
class Adaptive(NegativeSampler):
    """By the rank that the model gives an item, geometrically (AOBPR).

    By factor ranks where scores are inner products, else by the exact rank in a pool of uniform
    candidates. Graph backbones are ranked by their propagated embeddings.
    """

    Params = AdaptiveParams

    def __init__(self, params: AdaptiveParams, train: Interactions) -> None:
        self._params, self._items = params, train.num_items
        uniform = Proposal(train, params.count)
        self._redraws = Redraws(train, params.count, uniform)
        self._pool = Proposal(train, params.pool)
        self._pooled = False
        self.refresh_rows = math.ceil(self._items * math.log(self._items))

    def meet(self, backbone: type[Backbone]) -> None:
        """Rank in a pool where the backbone has a matching of its own."""
        self._pooled = backbone.match is not Backbone.match

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw attempts, (b,) to (b, 17 n); or M candidates and n ranks in them, to (b, M + n)."""
        if not self._pooled:
            return self._redraws.draw(rows, generator)
        pool = self._pool.draw(rows, generator)
        size = (len(rows), self._params.count)
        return torch.cat([pool, torch.rand(size, dtype=torch.float64, generator=generator)], 1)

    def snapshot(self, backbone: Backbone) -> FactorLists | None:
        """Sort the items by each factor."""
        if self._pooled:
            return None
        items = backbone.frozen().items
        order = torch.sort(items.T, stable=True, descending=True).indices
        return FactorLists(order.to(torch.int32), items.std(0, correction=0))

    def choose(self, backbone: Backbone, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        """Return n items by rank."""
        if self._pooled:
            return Negatives(self._from_pool(backbone, users, drawn))
        factors = backbone.frozen().users[users]
        mass = (factors.abs() * snapshot.spread).double().cumsum(1)

        def propose(row: Tensor, numbers: Tensor) -> Tensor:
            own = mass[row]
            factor = torch.searchsorted(own, numbers[:, 1:] * own[:, -1:], right=True)[:, 0]
            factor.clamp_max_(own.shape[1] - 1)
            rank = _rank(numbers[:, 0], self._params.share * self._items, self._items)
            upwards = factors[row, factor] > 0
            place = torch.where(upwards, rank, self._items - 1 - rank)
            found: Tensor = snapshot.order[factor, place]
            return found.long()

        return Negatives(self._redraws.first_free(users, drawn, propose))

    def _from_pool(self, backbone: Backbone, users: Tensor, drawn: Tensor) -> Tensor:
        pool, numbers = drawn[:, : self._params.pool].long(), drawn[:, self._params.pool :]
        tables = backbone.frozen()
        scores = backbone.match(tables.users[users], tables.items[pool])
        size = self._params.pool
        rank = _rank(numbers, self._params.share * size, size)
        order = torch.sort(scores, stable=True, descending=True).indices
        return pool.gather(1, order.gather(1, rank))


def _rank(numbers: Tensor, mean: float, length: int) -> Tensor:
    """Turn uniform numbers into ranks 0 .. length - 1, p(r) in proportion to exp(-(r+1)/mean)."""
    reach = -math.expm1(-length / mean)
    return (-mean * torch.log1p(-numbers * reach)).long().clamp_max(length - 1)
