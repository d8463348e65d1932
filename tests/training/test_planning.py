"""Batches of an epoch: every row once, or users alike; what a horizon holds fixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import Interactions, TrialData
from dvr_ray.negatives.uniform import Uniform, UniformParams
from dvr_ray.training.build import build
from dvr_ray.training.learner import LossRecord
from dvr_ray.training.planning import Planner

# User 0 has 60 rows, user 1 none, user 2 three.
USERS = np.array([0] * 60 + [2] * 3)
TRAIN = Interactions.from_pairs(USERS, np.arange(63), 3, 70)


def _planner(make: Callable[..., RunConfig], **fields: Any) -> Planner:
    config = make(training__batch_size=20, **fields)
    return Planner(config, TRAIN, Uniform(UniformParams(), TRAIN), torch.device("cpu"))


def test_by_interaction_every_row_comes_once(small_run: Callable[..., RunConfig]) -> None:
    batches = _planner(small_run).order(3)
    assert [len(batch) for batch in batches] == [20, 20, 20, 3]
    assert torch.cat(batches).sort().values.tolist() == list(range(63))


def test_by_user_users_are_alike_and_so_are_their_rows(
    small_run: Callable[..., RunConfig],
) -> None:
    """200 epochs of 63 draws; half of them are user 2's three rows. Five standard errors."""
    planner = _planner(small_run, training__sampling="user")
    epochs = [torch.cat(planner.order(epoch)) for epoch in range(200)]
    assert {len(rows) for rows in epochs} == {63}
    counts = torch.bincount(torch.cat(epochs), minlength=63) / (200 * 63)
    for row, expected in [*((row, 1 / 120) for row in range(60)), (60, 1 / 6), (62, 1 / 6)]:
        error = (expected * (1 - expected) / (200 * 63)) ** 0.5
        assert float(counts[row]) == pytest.approx(expected, abs=5 * error)
    assert not torch.equal(epochs[0], epochs[1])


def test_keys_of_triplets_differ_within_and_between_batches(
    small_run: Callable[..., RunConfig],
) -> None:
    planner = _planner(small_run)
    keys = [b.keys for epoch in (0, 1) for b in planner.walk(planner.order(epoch), epoch)]
    assert len(torch.cat(keys).unique()) == 2 * 63


def test_losses_of_a_row_that_repeats_are_averaged() -> None:
    record = LossRecord(3, OneProcess())
    record.add(torch.tensor([1, 1, 0]), torch.tensor([2.0, 4.0, 9.0]))
    assert record.merge() == pytest.approx(5.0)
    assert record.mean[:2].tolist() == [9.0, 3.0] and record.mean[2].isnan()


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
