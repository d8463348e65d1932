"""W workers train the run that one worker trains: the equality rule, in float64 to 1e-9."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from gloo import run_group
from small_run import SMALL

from dvr_ray.backbones import BACKBONES
from dvr_ray.collective import Collective, OneProcess, Traffic
from dvr_ray.config.load import apply
from dvr_ray.config.schema import Parallel, RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.training import evaluation
from dvr_ray.training.build import build
from dvr_ray.training.learner import LossRecord
from dvr_ray.training.loop import Trainer
from dvr_ray.training.planning import Planner
from dvr_ray.training.prepare import prepare
from dvr_ray.training.replicas import Replicas
from dvr_ray.training.reporter import Silent
from dvr_ray.training.sharing import Sharing

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
    "own items": {
        "adapter.reward": "ndcg@20 + tv:gender@20",
        "adapter.credit": "item",
        "policy.alternatives": [0.5, 0.8],
    },
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
FAST = (
    # Plain backbones on two workers are in the matrix of tests/contracts too.
    "centred score",
    "minmax mix",
    "own items",
    "til-mi",
    "lightgcn valued",
    "learned negatives",
)
MASKS = (
    # 2 replicas and a control; the first worker trains two of the three. Of "own items" two more.
    "default",
    "minmax mix",
    "own items",
    "lightgcn valued",
    # The main model goes apart, and a weighting asks for whole batches.
    "learned from scratch",
    "tce",
)
VARIANTS |= {
    f"{name} bpr": {"backbone": {"name": name}, "method.name": "bpr", "training.epochs": 5}
    for name in BACKBONES.names()
}


def train_all(
    names: Sequence[str],
    parallel: Parallel,
    collective: Collective | None = None,
    device: str = "cpu",
) -> list[dict[str, torch.Tensor]]:
    """Train variants; weights, values and probabilities of each.

    At least 5 batches an epoch and 10 epochs: 50 steps of the backbone; 25 of plain BPR. The last
    batch of the til-mi run has one row, so one worker's share is empty.
    """
    group = collective or TorchCollective()
    # Small blocks, so that every worker has users to rank for.
    with patch.object(evaluation, "MOST_USERS", 16):
        return [_train(name, parallel, group, torch.device(device)) for name in names]


def _train(
    name: str, parallel: Parallel, group: Collective, device: torch.device
) -> dict[str, torch.Tensor]:
    config = apply(RunConfig(), SMALL | {"training.epochs": 14} | VARIANTS[name])
    trainer = Trainer(config, prepare(config)[0], group, device, parallel=parallel)
    metrics: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer.fit(Path(folder), Silent(), lambda row: metrics.append(_numbers(row)))
    state = {k: v.cpu().clone() for k, v in trainer._tensors().items() if v.is_floating_point()}
    if (valued := trainer.value_rows()) is not None:
        state |= {"values": valued[0].cpu(), "probabilities": valued[1].cpu()}
    return state | {"metrics": torch.tensor(metrics, dtype=torch.float64)}


def _numbers(row: dict[str, Any]) -> list[float]:
    """Loss and metrics of a report; and rewards, which warm-up doesn't have."""
    return [row["loss"], *row["selection"].values(), sum(row.get("reward", {}).values())]


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, torch.Tensor]]:
    return dict(zip(VARIANTS, train_all([*VARIANTS], "batches", OneProcess()), strict=True))


@pytest.mark.parametrize(
    ("workers", "parallel", "names"),
    [
        (2, "batches", [*FAST]),
        pytest.param(2, "batches", [*VARIANTS], marks=pytest.mark.slow),
        (2, "masks", ["own items", "learned from scratch"]),
        pytest.param(2, "masks", [*MASKS], marks=pytest.mark.slow),
        pytest.param(4, "batches", [*VARIANTS], marks=pytest.mark.slow),
        pytest.param(4, "masks", [*MASKS], marks=pytest.mark.slow),
    ],
)
def test_many_workers_equal_one(
    workers: int, parallel: Parallel, names: list[str], alone: dict[str, dict[str, torch.Tensor]]
) -> None:
    """Four workers that share two masks: some train the control or nothing."""
    valued = [v for v in VARIANTS.values() if {"method", "method.name"}.isdisjoint(v)]
    assert sum("values" in state for state in alone.values()) == len(valued) > 0
    for found in run_group(train_all, workers, names, parallel):
        for variant, state in zip(names, found, strict=True):
            _assert_equal(alone[variant], state, variant)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(
    ("workers", "backend", "parallel"),
    [(0, "", "batches"), (1, "nccl", "batches"), (2, "gloo", "batches"), (2, "gloo", "masks")],
)
def test_a_gpu_equals_the_cpu(
    workers: int, backend: str, parallel: Parallel, alone: dict[str, dict[str, torch.Tensor]]
) -> None:
    """In this process, as one worker on nccl, and as two that share a GPU, which nccl refuses."""
    names = [*MASKS] if parallel == "masks" else [*FAST]
    if workers == 0:
        ranks = [train_all(names, parallel, OneProcess(), "cuda")]
    else:
        ranks = run_group(train_all, workers, names, parallel, None, "cuda", backend=backend)
    for found in ranks:
        for variant, state in zip(names, found, strict=True):
            _assert_equal(alone[variant], state, variant)


def _assert_equal(
    expected: dict[str, torch.Tensor], state: dict[str, torch.Tensor], variant: str
) -> None:
    assert expected.keys() == state.keys()
    for name, tensor in expected.items():
        # A row that was never drawn has no mean loss.
        same = torch.allclose(
            tensor, state[name], rtol=1e-9, atol=1e-9, equal_nan=name == "losses.mean"
        )
        assert same, (variant, name)


class _Silenced:
    """Worker 1 of 2, whom nobody answers."""

    rank, size, traffic = 1, 2, Traffic()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        raise LookupError

    sum_ = sum
    gather = sum


def test_workers_that_share_masks_train_their_own_without_the_others(
    small_run: Callable[..., RunConfig], small_data: TrialData
) -> None:
    config = small_run(method__name="bpr", negatives__name="learned", adapter__masks=4)

    def explored(parallel: Parallel) -> Replicas:
        group = _Silenced()
        sharing = Sharing.of(config, group, parallel)
        device = torch.device("cpu")
        parts = build(config, small_data, sharing.batches, device)
        replicas = Replicas(config, parts, len(small_data.train), sharing)
        replicas.open(0)
        planner = Planner(config, small_data.train, parts.negatives, device)
        record = LossRecord(len(small_data.train), group)
        replicas.explore(planner.walk(planner.order(0), 0), 0, record)
        return replicas

    replicas = explored("masks")
    assert list(replicas.exploring) == [1, 3]
    before = replicas.main.backbone.users
    assert all((replica.backbone.users != before).any() for replica in replicas.exploring.values())
    with pytest.raises(LookupError):
        explored("batches")


class _Stopping:
    """Stops a run like a kill would."""

    def __init__(self, rows: int) -> None:
        self._left = rows

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def _begin(folder: Path, group: Collective) -> None:
    """Train a run as far as its second horizon."""
    with pytest.raises(KeyboardInterrupt):
        _trainer(group).fit(folder, _Stopping(4))


def _end(folder: Path, group: Collective) -> list[float]:
    """Go on with a run to its end; its metrics."""
    trainer = _trainer(group)
    assert trainer.resume(folder) == 6
    return [*trainer.fit(folder, Silent()).best_metrics.values()]


def _trainer(group: Collective) -> Trainer:
    parallel: Parallel = "masks" if group.size > 1 else "batches"
    config = apply(RunConfig(), SMALL | {"adapter.horizon.start": "scratch", "training.epochs": 14})
    return Trainer(config, prepare(config)[0], group, torch.device("cpu"), parallel=parallel)


def begin_and_end(begun: Path, ended: Path) -> list[float]:
    """Begin a run, and end another one."""
    _begin(begun, TorchCollective())
    return _end(ended, TorchCollective())


@pytest.mark.slow
def test_masks_go_on_alone_and_back(tmp_path: Path) -> None:
    """A run that several workers began is ended by one, and the other way round."""
    one, several = tmp_path / "one", tmp_path / "several"
    _begin(one, OneProcess())
    found = run_group(begin_and_end, 2, several, one)
    found.append(_end(several, OneProcess()))
    unbroken = _trainer(OneProcess()).fit(tmp_path / "unbroken", Silent()).best_metrics
    assert all(numbers == pytest.approx([*unbroken.values()], rel=1e-9) for numbers in found)


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
