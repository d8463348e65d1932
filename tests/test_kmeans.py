"""k-means against loops."""

from __future__ import annotations

import pytest
import torch
from oracles.lloyd import clusters_of

from dvr_ray.kmeans import cluster_means, kmeans


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_those_of_the_slow_version(seed: int) -> None:
    points = torch.randn(70, 3, generator=torch.Generator().manual_seed(seed)).double()
    first = torch.randperm(70, generator=torch.Generator().manual_seed(9))[:5]
    found = kmeans(points, 5, torch.Generator().manual_seed(9))
    assert found.tolist() == clusters_of(points.numpy(), points[first].numpy())


def test_equal_points_leave_clusters_empty() -> None:
    points = torch.ones(6, 2)
    found = kmeans(points, 3, torch.Generator().manual_seed(0))
    assert found.tolist() == [0] * 6
    assert cluster_means(points, found, 3).tolist() == [[1, 1], [0, 0], [0, 0]]
