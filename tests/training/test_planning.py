"""What a horizon holds fixed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.build import build
from dvr_ray.training.planning import Planner


@pytest.mark.parametrize(
    "negatives",
    [
        {"name": "uniform"},
        {"name": "uniform", "shared": True, "count": 30},
        {"name": "best-of", "count": 2},
    ],
)
def test_a_fixed_negative_is_no_positive(
    small_run: Callable[..., RunConfig], small_data: TrialData, negatives: dict[str, object]
) -> None:
    device = torch.device("cpu")
    config = small_run(negatives=negatives)
    parts = build(config, small_data, OneProcess(), device)
    planner = Planner(config, small_data.train, parts.negatives, device)
    rows = torch.arange(len(small_data.train))
    backbone = parts.learner(0).backbone
    found = planner.fixed_negatives(backbone, rows, 3)
    assert found.shape == rows.shape
    assert not small_data.train.contains(small_data.train.users, found.numpy()).any()
    assert torch.equal(found, planner.fixed_negatives(backbone, rows, 3))
