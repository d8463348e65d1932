"""W workers train the run that one worker trains: the equality rule, in float64 to 1e-9."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from gloo import run_group
from small_run import SMALL

from dvr_ray.backbones import BACKBONES
from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.prepare import prepare
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.training import evaluation
from dvr_ray.training.loop import Trainer
from dvr_ray.training.reporter import Silent

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "centred score": {
        "policy.normalisation": "centred",
        "adapter.estimator": "score",
        "adapter.credit": "user+item",
        "policy.entropy": 0.1,
    },
    "minmax mix": {
        "policy.normalisation": "minmax",
        # Loss, values of users, differences, parts of items: each is merged in its own way.
        "adapter.reward": "loss + ild-embedding@20 + 0.5*eo:gender@20 + 0.5*sp:gender@20",
        "adapter.credit": "user+item",
        "training.report": ["gini@20", "tv:age@20"],
        "rerank": {"name": "popularity", "weight": 0.1},
    },
    "own items": {"adapter.reward": "ndcg@20 + tv:gender@20", "adapter.credit": "item"},
    "tce": {"method": {"name": "tce", "gradual": 20}},
    "til-ui": {
        "method": {"name": "til-ui", "alpha": 0.1, "outer": "reward", "trick": "norm"},
        "negatives.count": 2,
        "training.epochs": 10,
    },
    "til-mi": {
        "method": {"name": "til-mi", "alpha": 0.1, "warmup": 1, "clusters": 4, "every": 2},
        "training.batch_size": 151,
        "training.epochs": 10,
    },
    "lightgcn valued": {"backbone": {"name": "lightgcn", "dim": 8, "layers": 2}},
    "learned negatives": {"negatives": {"name": "learned"}, "adapter.horizon.epochs": 1},
    "learned from scratch": {
        "negatives": {"name": "learned"},
        "method": {"name": "tce"},
        "adapter.horizon.start": "scratch",
    },
    "by user bpr": {"training.sampling": "user", "method.name": "bpr", "training.epochs": 5},
}
VARIANTS |= {
    f"{name} bpr": {"backbone": {"name": name}, "method.name": "bpr", "training.epochs": 5}
    for name in BACKBONES.names()
}


def train_all(collective: Collective | None = None) -> list[dict[str, torch.Tensor]]:
    """Train every variant; weights, values and probabilities of each.

    At least 5 batches an epoch and 10 epochs: 50 steps of the backbone; 25 of plain BPR. The last
    batch of the til-mi run has one row, so one worker's share is empty.
    """
    group = collective or TorchCollective()
    # Small blocks, so that every worker has users to rank for.
    with patch.object(evaluation, "MOST_USERS", 16):
        return _train_all(group)


def _train_all(group: Collective) -> list[dict[str, torch.Tensor]]:
    found = []
    for variant in VARIANTS.values():
        config = apply(RunConfig(), SMALL | {"training.epochs": 14} | variant)
        trainer = Trainer(config, prepare(config)[0], group, torch.device("cpu"))
        with tempfile.TemporaryDirectory() as folder:
            trainer.fit(Path(folder), Silent())
        state = {k: v.clone() for k, v in trainer._tensors().items() if v.is_floating_point()}
        if (valued := trainer.value_rows()) is not None:
            state |= {"values": valued[0], "probabilities": valued[1]}
        found.append(state)
    return found


@pytest.fixture(scope="module")
def alone() -> list[dict[str, torch.Tensor]]:
    return train_all(OneProcess())


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_many_workers_equal_one(workers: int, alone: list[dict[str, torch.Tensor]]) -> None:
    valued = [v for v in VARIANTS.values() if {"method", "method.name"}.isdisjoint(v)]
    assert sum("values" in state for state in alone) == len(valued) > 0
    for found in run_group(train_all, workers):
        for variant, expected, state in zip(VARIANTS, alone, found, strict=True):
            assert expected.keys() == state.keys()
            for name, tensor in expected.items():
                # A row that was never drawn has no mean loss.
                same = torch.allclose(
                    tensor, state[name], rtol=1e-9, atol=1e-9, equal_nan=name == "losses.mean"
                )
                assert same, (variant, name)


def best_in_float32(seed: int, collective: Collective | None = None) -> float:
    """Train in float32; the metric at the best epoch."""
    group = collective or TorchCollective()
    config = apply(RunConfig(), SMALL | {"training.dtype": "float32", "seed": seed})
    trainer = Trainer(config, prepare(config)[0], group, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        return trainer.fit(Path(folder), Silent()).best_metrics["ndcg@20"]


@pytest.mark.slow
def test_in_float32_workers_differ_by_less_than_seeds() -> None:
    """Rounding moves draws and ranks, so whole runs are compared with the spread over seeds."""
    seeds = torch.tensor([best_in_float32(seed, OneProcess()) for seed in range(6)])
    (found, other) = run_group(best_in_float32, 2, 0)
    assert found == other
    assert abs(found - float(seeds[0])) <= 2 * float(seeds.std())
