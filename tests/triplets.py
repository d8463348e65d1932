"""Weightings and batches of triplets for tests: small data, BPRMF in float64, one worker."""

from __future__ import annotations

import functools
from typing import Any

import torch
from small_run import SMALL
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.rewards import MetricAdapter
from dvr_ray.training.prepare import prepare
from dvr_ray.weightings import Horizon, TripletBatch, Weighting, WeightingParts

__all__ = ["horizon", "make_backbone", "make_batch", "make_weighting", "small_data"]

CPU = torch.device("cpu")


@functools.cache
def small_data() -> TrialData:
    """60 users, 50 items."""
    return prepare(apply(RunConfig(), SMALL))[0]


def make_weighting(
    cls: type[Weighting], collective: Collective | None = None, **fields: Any
) -> Weighting:
    """Make one with its own fields."""
    config = apply(RunConfig(), SMALL | {"adapter.masks": 2})
    data = small_data()
    parts = WeightingParts(
        params=cls.Params(**fields),
        config=config,
        data=data,
        adapter=MetricAdapter(config.adapter, data.train, data.reward, torch.float64),
        collective=collective or OneProcess(),
        device=CPU,
    )
    return cls(parts)


def make_backbone(seed: int = 0) -> BPRMF:
    """Eight dimensions, weights large enough that losses differ."""
    train = small_data().train
    numbers = torch.Generator().manual_seed(seed)
    return BPRMF(train.num_users, train.num_items, 8, numbers).double()


def make_batch(
    backbone: Backbone, rows: torch.Tensor, *, count: int = 1, step: int = 0
) -> TripletBatch:
    """Triplets of training rows with random negatives, as the trainer makes them."""
    train = small_data().train
    numbers = torch.Generator().manual_seed(step)
    users = torch.from_numpy(train.users)[rows]
    positives = torch.from_numpy(train.items)[rows]
    negatives = torch.randint(0, train.num_items, (len(rows), count), generator=numbers)

    def loss(gaps: torch.Tensor) -> torch.Tensor:
        return softplus(-gaps).mean(1)

    out = backbone(users, positives, negatives)
    losses = loss(out.positive[:, None] - out.negative)
    return TripletBatch(
        step, len(rows), rows, users, positives, negatives, None, losses, loss, backbone
    )


def horizon(backbone: Backbone, number: int = 0) -> Horizon:
    """All training rows in batches of 128."""
    train = small_data().train
    numbers = torch.Generator().manual_seed(number)
    order = torch.randperm(len(train), generator=numbers)
    losses = torch.rand(len(train), generator=numbers, dtype=torch.float64)
    items = torch.randint(0, train.num_items, (len(train),), generator=numbers)
    return Horizon(
        number, list(order.split(128)), losses, backbone.embeddings, lambda rows: items[rows]
    )
