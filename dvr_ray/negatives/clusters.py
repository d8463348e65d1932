"""Negatives by clusters of items: the clusters that a user is drawn to come up more often.

``Q(j | u)`` is in proportion to ``exp(s(u, centre of j's cluster)) * weight_j`` over the items j
that are no positives of u, s the backbone's matching: a cluster by that score and its weight, then
an item within it by weight; drawn again if it is a positive. That is the same distribution as with
the positives' weights taken out of the clusters first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.data.interactions import Interactions
from dvr_ray.kmeans import cluster_means, kmeans
from dvr_ray.negatives.proposal import Proposal
from dvr_ray.negatives.redraws import Redraws
from dvr_ray.seeding import generator

__all__ = ["ClusterProposal", "Clusters"]


class Clusters(NamedTuple):
    """Items grouped by the vectors of one moment.

    Parameters
    ----------
    centres : Tensor, shape (C, D)
        Means of the clusters' items, zeros where there are none.
    of : Tensor of int64, shape (I,)
        Cluster of each item.
    order : Tensor of int64, shape (I,)
        Items sorted by cluster.
    bounds : Tensor, shape (C + 1,)
        Cluster c holds the places ``bounds[c]`` to ``bounds[c + 1] - 1`` of ``order``.
    ends : Tensor of float64, shape (I + 1,)
        Weight of the items before a place of ``order``.
    """

    centres: Tensor
    of: Tensor
    order: Tensor
    bounds: Tensor
    ends: Tensor


class ClusterProposal:
    """Draws by cluster, then by weight.

    Parameters
    ----------
    train : Interactions
        Training part.
    count, clusters : int
        Items n a row, and number C of clusters.
    weights : Tensor of float64, shape (I,)
        Positive weights of items within a cluster.
    """

    ROUNDS = 10

    def __init__(self, train: Interactions, count: int, clusters: int, weights: Tensor) -> None:
        self._clusters, self._weights = clusters, weights
        self._redraws = Redraws(train, count, Proposal(train, count, weights.numpy()))

    def draw(self, rows: Tensor, numbers: torch.Generator) -> Tensor:
        """Draw attempts, see `Redraws.draw`."""
        return self._redraws.draw(rows, numbers)

    def snapshot(self, backbone: Backbone) -> Clusters:
        """Group the items by their vectors."""
        items = backbone.frozen().items
        of = kmeans(items, self._clusters, generator(0, "clusters"), self.ROUNDS)
        centres = cluster_means(items, of, self._clusters)
        order = torch.sort(of, stable=True).indices
        self._weights = self._weights.to(of.device)
        ends = torch.cat([self._weights.new_zeros(1), self._weights[order].cumsum(0)])
        sizes = torch.bincount(of, minlength=len(centres))
        bounds = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        return Clusters(centres, of, order, bounds, ends)

    def choose(
        self, backbone: Backbone, clusters: Clusters, users: Tensor, drawn: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return items and the log of their probability up to a constant per user, (b, n) each."""
        vectors = backbone.frozen().users[users]
        pulls = backbone.match(vectors, clusters.centres[None]).double()
        before, after = clusters.ends[clusters.bounds[:-1]], clusters.ends[clusters.bounds[1:]]
        mass = torch.softmax(pulls + (after - before).log(), 1).cumsum(1)

        def propose(row: Tensor, numbers: Tensor) -> Tensor:
            own = mass[row]
            which = torch.searchsorted(own, numbers[:, :1] * own[:, -1:], right=True)[:, 0]
            which = which.clamp_max(len(before) - 1)
            point = before[which] + numbers[:, 1] * (after - before)[which]
            place = torch.searchsorted(clusters.ends, point, right=True) - 1
            # A sum's last digits must not push the place out of the cluster.
            place = place.clamp(clusters.bounds[which], clusters.bounds[which + 1] - 1)
            return clusters.order[place]

        items = self._redraws.first_free(users, drawn, propose)
        return items, pulls.gather(1, clusters.of[items]) + self._weights[items].log()
