"""Training on parts of the rows, and worths of coalitions kept in a file; for `ground_truth.py`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dvr_ray.collective import OneProcess
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import ConfigError
from dvr_ray.metrics import Catalogue
from dvr_ray.training.batched import Stack
from dvr_ray.training.build import build
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.evaluation import Evaluator
from dvr_ray.training.learner import Learner, LossRecord
from dvr_ray.training.planning import Planner

__all__ = ["METRIC", "Retraining", "Store", "Work", "finish", "trained"]

CPU, METRIC = torch.device("cpu"), "ndcg@20"
# Of retrainings: larger steps, which bring a model from scratch as far in half the time.
SHORT = {"method": {"name": "bpr"}, "training.batch_size": 4096, "training.lr": 0.03}


def trained(config: RunConfig, data: TrialData, kept: Tensor, epochs: int) -> list[Learner]:
    """Train fresh learners on rows of their own (K, n), side by side on the same batches."""
    parts = build(config, data, OneProcess(), CPU)
    stack = Stack([parts.learner(0) for _ in kept], OneProcess(), parts.negatives)
    planner = Planner(config, data.train, parts.negatives, CPU)
    records = [LossRecord(kept.shape[1], OneProcess())] * len(kept)
    for epoch in range(epochs):
        for batch in planner.walk(planner.order(epoch), epoch):
            stack.step(batch, list(kept[:, batch.rows]), records)
    return stack.learners


class Work(NamedTuple):
    """Retrainings side by side: on which groups (K, G), and their seed."""

    name: str
    seed: int
    coalitions: Tensor


class Retraining:
    """Trains on coalitions of rows and measures them."""

    def __init__(self, config: RunConfig, data: TrialData, epochs: int) -> None:
        self._config, self._data, self._epochs = apply(config, SHORT), data, epochs
        parts, known = {"reward": data.reward}, Catalogue.of(data)
        self._evaluator = Evaluator([data.train], parts, OneProcess(), known)

    def worths(self, kept: Tensor, seed: int) -> list[float]:
        """Return the metric after training on the kept rows alone, (K, n) to K numbers."""
        config, wanted = apply(self._config, {"seed": seed}), {"reward": [METRIC]}
        learners = trained(config, self._data, kept, self._epochs)
        measured = [self._evaluator.values(one.backbone, wanted) for one in learners]
        return [float(found["reward"][METRIC]) for found in measured]


class Store:
    """Finished retrainings in a file; refuses those of other settings."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self._path = path
        self.content: dict[str, Any] = {"settings": settings, "wall": 0.0, "cpu": 0.0, "worths": {}}
        if path.exists():
            self.content = json.loads(path.read_text(encoding="utf-8"))
        if self.content["settings"] != settings:
            rule = f"is of other settings, got {self.content['settings']}, asked for {settings}"
            raise ConfigError(str(path), rule, "name another file")

    def add(self, name: str, worths: list[float], wall: float, cpu: float) -> None:
        """Keep what a stack gave, and the seconds it took."""
        self.content["worths"][name] = worths
        self.content["wall"] += wall
        self.content["cpu"] += cpu
        write_json(self._path, self.content)

    def __contains__(self, name: str) -> bool:
        return name in self.content["worths"]

    def __getitem__(self, name: str) -> Tensor:
        return torch.tensor(self.content["worths"][name], dtype=torch.float64)


def finish(
    work: Iterable[Work],
    groups: dict[str, Tensor],
    train: Callable[[Tensor, int], list[float]],
    store: Store,
) -> None:
    """Retrain what isn't stored; ``train`` turns rows to keep (K, n) and a seed into worths."""
    for one in work:
        if one.name in store:
            continue
        wall, cpu = time.monotonic(), time.process_time()
        rows = groups.get(one.name.split("/")[0], next(iter(groups.values())))
        worths = train(one.coalitions[:, rows], one.seed)
        store.add(one.name, worths, time.monotonic() - wall, time.process_time() - cpu)
        print(f"{one.name}: {store.content['cpu']:.0f} s of the processor", file=sys.stderr)
