"""What workers send, by the formulas of `docs/scale.md`; part of `benchmarks/traffic.py`.

Nothing here asks the code that sends. Rows are counted in the batches of the run, by numpy.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dvr_ray.backbones import Backbone
from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.build import build
from dvr_ray.training.learner import Batch
from dvr_ray.training.planning import Planner
from dvr_ray.weightings import WEIGHTINGS
from dvr_ray.weightings.inputs import EncoderInputs

COUNTED = 10
"""Batches whose rows are counted."""
ROOM = 17 / 16
"""Room in a message, over the rows of the busiest worker in the epoch's first batch."""


@dataclass
class Run:
    """What the formulas know of a run.

    Parameters
    ----------
    config : RunConfig
        The run.
    data : TrialData
        Its log.
    backbone : Backbone
        One with fresh weights: shapes of its parameters.
    batches : list of Batch
        Some of an epoch.
    """

    config: RunConfig
    data: TrialData
    backbone: Backbone
    batches: list[Batch]

    @classmethod
    def of(cls, config: RunConfig, data: TrialData) -> Run:
        """Draw the batches of an epoch."""
        parts = build(config, data, OneProcess(), torch.device("cpu"))
        planner = Planner(config, data.train, parts.negatives, torch.device("cpu"))
        walked = planner.walk(planner.order(0), 0)
        drawn = list(itertools.islice(walked, COUNTED))
        return cls(config, data, parts.learner(0).backbone, drawn)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.data.train) // self.config.training.batch_size)

    @property
    def float(self) -> int:
        """Bytes of a number."""
        return 8 if self.config.training.dtype == "float64" else 4

    @property
    def tables(self) -> list[Any]:
        """Shapes of the tables that are stepped by rows."""
        return [t.shape for t in self.backbone.represent()] if self.backbone.rowwise else []

    @property
    def others(self) -> int:
        """Parameters beside them."""
        every = sum(parameter.numel() for parameter in self.backbone.parameters())
        return every - sum(rows * width for rows, width in self.tables)


def summed(size: float, workers: int) -> float:
    """Bytes that a worker sends for a sum of ``size`` bytes, by a ring."""
    return 2 * (workers - 1) / workers * size


def gathered(size: float, workers: int) -> float:
    """Bytes that a worker sends for a gathering of messages of ``size`` bytes, by a ring."""
    return (workers - 1) * size


def distinct(batch: Batch, workers: int, keep_rate: float, seed: int = 0) -> np.ndarray:
    """Distinct users and items of every worker's share of the kept triplets, (W, 2)."""
    kept = np.random.default_rng(seed).random(len(batch.rows)) < keep_rate
    users, positives, negatives = (
        numbers.numpy() for numbers in (batch.users, batch.positives, batch.drawn)
    )
    shares = np.array_split(np.flatnonzero(kept), workers)
    return np.array([
        [len(np.unique(users[own])),
         len(np.unique(np.concatenate([positives[own], negatives[own].ravel()])))]
        for own in shares
    ])  # fmt: skip


def step_bytes(run: Run, workers: int, keep_rates: list[float]) -> float:
    """Bytes of one step of replicas that keep so much each."""
    sent = summed(run.others * run.float, workers) * len(keep_rates)
    if not run.tables:
        return sent
    counts = np.mean([
        sum(distinct(batch, workers, rate, seed) for seed, rate in enumerate(keep_rates))
        for batch in run.batches[: max(1, run.steps - 1)]
    ], axis=0)  # fmt: skip
    rooms = ROOM * counts.max(0)
    message = sum(room * (1 + shape[1]) for room, shape in zip(rooms, run.tables, strict=True))
    whole = sum(rows * (1 + width) for rows, width in run.tables) * len(keep_rates)
    by_rows = gathered((2 + message) * run.float, workers)
    return sent + min(by_rows, summed(whole * run.float, workers))


def epoch_bytes(run: Run, workers: int, **_: Any) -> float:
    """Bytes of an epoch of plain BPR: its steps, the first batch's counts, the rows' losses."""
    ahead = gathered(16, workers) if run.tables else 0
    losses = summed(16 * len(run.data.train), workers)
    return run.steps * step_bytes(run, workers, [1.0]) + ahead + losses


def horizon_bytes(run: Run, workers: int, *, keep_rate: float, masks: bool) -> float:
    """Bytes of a horizon of DVR with the gate's control.

    Reward and selection are one per-user metric each.
    """
    adapter, number = run.config.adapter, len(run.data.train)
    per_user = 16 * run.data.train.num_users
    losses, selection = 16 * number, 2 * per_user
    model = 3 * sum(p.numel() for p in run.backbone.parameters()) * run.float
    if masks:
        rewards = adapter.masks * per_user / 2
        return summed(losses + selection + rewards + 2 * model, workers)
    rates = [keep_rate] * adapter.masks + [1.0]
    steps = adapter.horizon.epochs * run.steps * step_bytes(run, workers, rates)
    values = 2 * number * run.float + run.steps * _units(run)
    taught = run.config.valuator.steps * (2 * _units(run) + _weights(run))
    rewards = adapter.masks * per_user
    return steps + summed(losses + selection + rewards + values + taught, workers)


def _units(run: Run) -> float:
    """Bytes that the units of a valuator need of all workers: O(units), whatever the batch."""
    valuator, inputs = run.config.valuator, _inputs(run)
    return (valuator.units * (inputs + valuator.depth) + 2) * run.float


def _weights(run: Run) -> float:
    """Bytes of a valuator's parameters, the head's two included; without an encoder of its own."""
    valuator, inputs = run.config.valuator, _inputs(run)
    units, deeper = valuator.units, valuator.depth - 1
    first = units * (2 * inputs + 1) + 2 * units * valuator.depth
    return (first + 2 * deeper * units * units + inputs + 2) * run.float


def _inputs(run: Run) -> int:
    """Size h of an encoding: the features' columns and the constant."""
    assert WEIGHTINGS.get(run.config.method.name).reads_features
    dtype = getattr(torch, run.config.training.dtype)
    encoder = run.config.encoder
    inputs = EncoderInputs(run.data, encoder.features, dtype, squares=encoder.squares)
    inputs.prepare(torch.zeros(len(run.data.train)))
    return inputs.static.shape[1] + 1
