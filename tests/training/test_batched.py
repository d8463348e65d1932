"""Replicas trained as one batched computation equal replicas that step one by one, to 1e-9."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gloo import run_group
from small_run import SMALL

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.training import replicas
from dvr_ray.training.batched import Stack, can_stack
from dvr_ray.training.build import build
from dvr_ray.training.learner import LossRecord
from dvr_ray.training.loop import Trainer
from dvr_ray.training.planning import Planner
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent

CPU = torch.device("cpu")
VARIANTS: dict[str, dict[str, Any]] = {
    "gate": {"training.epochs": 12},
    "no gate, three negatives": {
        "policy.gate": False, "negatives": {"name": "uniform", "count": 3}, "adapter.masks": 4,
    },
    "scratch": {"adapter.horizon.start": "scratch"},
    "directional": {"adapter.exploration": "directional", "adapter.credit": "scalar"},
    "evolution": {"adapter.exploration": "evolution", "adapter.credit": "scalar"},
    "short horizons": {"adapter.horizon.batches": 2, "adapter.users": 20},
    "bpr": {"method.name": "bpr"},
}  # fmt: skip


def _train(settings: dict[str, Any], group: Collective) -> dict[str, torch.Tensor]:
    """Weights, moments and recorded losses at the end."""
    config = apply(RunConfig(), SMALL | {"training.epochs": 8} | settings)
    trainer = Trainer(config, prepare(config)[0], group, CPU)
    with tempfile.TemporaryDirectory() as folder:
        trainer.fit(Path(folder), Silent())
    return {k: v.clone() for k, v in trainer._tensors().items() if v.is_floating_point()}


def _assert_equal(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=1e-9, atol=1e-9, equal_nan=True), name


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(replicas, "can_stack", lambda *parts: False)


@pytest.mark.parametrize("variant", VARIANTS)
def test_batched_run_equals_one_by_one(variant: str, one_by_one: Callable[[], None]) -> None:
    batched = _train(VARIANTS[variant], OneProcess())
    one_by_one()
    _assert_equal(_train(VARIANTS[variant], OneProcess()), batched)


def train_gated() -> dict[str, torch.Tensor]:
    """The gated run, in a group."""
    return _train(VARIANTS["gate"], TorchCollective())


def test_two_workers_batched_equal_one_worker_one_by_one(one_by_one: Callable[[], None]) -> None:
    shared = run_group(train_gated, 2)
    one_by_one()
    alone = _train(VARIANTS["gate"], OneProcess())
    for found in shared:
        _assert_equal(alone, found)


def test_replica_that_keeps_nothing_neither_moves_nor_counts_a_step(small_data: TrialData) -> None:
    config = apply(RunConfig(), SMALL)
    parts = build(config, small_data, OneProcess(), CPU)
    planner = Planner(config, small_data.train, parts.negatives, CPU)
    learners = [parts.learner(0) for _ in range(3)]
    before = learners[1].tensors()
    before = {name: tensor.clone() for name, tensor in before.items()}
    stack = Stack(learners, OneProcess(), parts.negatives)
    batch = next(planner.walk(planner.cut("order", 0), 0))
    everything = torch.ones(len(batch.rows), dtype=torch.bool)
    some = everything.clone()
    some[::2] = False
    records = [LossRecord(len(small_data.train), OneProcess()) for _ in learners]
    stack.step(batch, [some, ~everything, None], records)
    after = learners[1].tensors()
    assert all(torch.equal(before[name], after[name]) for name in before)
    users = learners[0].backbone.represent().users
    moved = (users != before["weights.users"]).any(1)
    assert set(moved.nonzero()[:, 0].tolist()) == set(batch.users[some].tolist())
    assert int(learners[2].tensors()["optimiser.rows.0.step"]) == 1


def test_batch_that_nobody_keeps_is_skipped(small_data: TrialData) -> None:
    """As in a last batch of one row that every mask drops."""
    config = apply(RunConfig(), SMALL)
    parts = build(config, small_data, OneProcess(), CPU)
    planner = Planner(config, small_data.train, parts.negatives, CPU)
    learners = [parts.learner(0) for _ in range(2)]
    before = [{n: t.clone() for n, t in one.tensors().items()} for one in learners]
    stack = Stack(learners, OneProcess(), parts.negatives)
    batch = next(planner.walk([torch.tensor([3])], 0))
    nobody, record = (
        torch.zeros(1, dtype=torch.bool),
        LossRecord(len(small_data.train), OneProcess()),
    )
    stack.step(batch, [nobody, nobody], [record, record])
    for old, learner in zip(before, learners, strict=True):
        _assert_equal(old, learner.tensors())


def test_scores_follow_tables_that_were_moved_into_a_stack(small_data: TrialData) -> None:
    config = apply(RunConfig(), SMALL)
    parts = build(config, small_data, OneProcess(), CPU)
    planner = Planner(config, small_data.train, parts.negatives, CPU)
    learners = [parts.learner(0) for _ in range(2)]
    users = torch.arange(4)
    old = [learner.backbone.item_scores(users) for learner in learners]
    stack = Stack(learners, OneProcess(), parts.negatives)
    records = [LossRecord(len(small_data.train), OneProcess()) for _ in learners]
    for batch in planner.walk(planner.cut("order", 0), 0):
        stack.step(batch, [None, None], records)
    for learner, scores in zip(learners, old, strict=True):
        tables = learner.backbone.represent()
        expected = (tables.users[users] @ tables.items.T).detach()
        found = learner.backbone.item_scores(users)
        assert torch.allclose(found, expected) and not torch.allclose(found, scores)


def test_models_that_look_at_more_than_tables_step_one_by_one(
    small_data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = build(apply(RunConfig(), SMALL), small_data, OneProcess(), CPU)
    learner = parts.learner(0)
    assert can_stack(learner, parts.negatives, parts.weighting)
    for owner, name in (
        (type(parts.negatives), "sees_model"),
        (type(parts.weighting), "weigh"),
        (type(learner.backbone), "match"),
        (type(learner.backbone), "regularised"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, lambda *given: None, raising=False)
            assert not can_stack(learner, parts.negatives, parts.weighting), name
