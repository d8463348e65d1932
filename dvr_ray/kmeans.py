"""k-means (Lloyd's rounds from distinct random points)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cluster_means", "kmeans"]

ROUNDS = 100
CHUNK = 1 << 16


def kmeans(
    points: Tensor, clusters: int, generator: torch.Generator, rounds: int = ROUNDS
) -> Tensor:
    """Cluster points by Euclidean distance.

    Parameters
    ----------
    points : Tensor, shape (n, d)
        Without gradient.
    clusters : int
        Number k of clusters, at most n; one that runs empty keeps its centre.
    generator : torch.Generator
        Draws the first centres, on the CPU.
    rounds : int
        It ends after so many at the latest.

    Returns
    -------
    Tensor of int64, shape (n,)
        Cluster of each point; of equal distances the lower number. Ends when no point moves.
    """
    first = torch.randperm(len(points), generator=generator)[:clusters]
    centres = points[first.to(points.device)]
    found = _nearest(points, centres)
    for _ in range(rounds):
        means = cluster_means(points, found, clusters)
        sizes = torch.bincount(found, minlength=clusters)
        centres = torch.where(sizes[:, None] > 0, means, centres)
        moved = _nearest(points, centres)
        if torch.equal(moved, found):
            break
        found = moved
    return found


def cluster_means(points: Tensor, found: Tensor, clusters: int) -> Tensor:
    """Mean point of each cluster: (n, d) and (n,) to (k, d); zeros where a cluster is empty."""
    total = points.new_zeros(clusters, points.shape[1]).index_add_(0, found, points)
    return total / torch.bincount(found, minlength=clusters).clamp_min(1)[:, None]


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    # The points' own squares are the same for all centres.
    own = centres.square().sum(1)
    parts = [(own - 2 * part @ centres.T).argmin(1) for part in torch.split(points, CHUNK)]
    return torch.cat(parts)
