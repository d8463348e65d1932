"""The reweighted loss trusts triplets as far as the model does."""

from __future__ import annotations

import pytest
import torch
from oracles.losses import reweighted
from triplets import make_backbone, make_batch, make_weighting

from dvr_ray.weightings.reweighted import Reweighted


@pytest.mark.parametrize("beta", [0.0, 0.2, 1.5])
@pytest.mark.parametrize("count", [1, 4])
def test_weights_are_those_of_the_slow_version(beta: float, count: int) -> None:
    backbone = make_backbone()
    triplets = make_batch(backbone, torch.arange(0, 200, 3), count=count)
    out = backbone(triplets.users, triplets.positives, triplets.negatives)
    gaps = (out.positive[:, None] - out.negative).tolist()
    found = make_weighting(Reweighted, beta=beta).weigh(0, triplets)
    assert found is not None and not found.requires_grad
    assert found.tolist() == pytest.approx(reweighted(gaps, beta), rel=1e-12)
