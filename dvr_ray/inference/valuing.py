"""Values of the rows of a block: several random partitions into batches of the run's size.

A value depends on its batch through the Harsanyi units alone. The passes give its mean over
partitions and the standard error of that mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dvr_ray.seeding import generator
from dvr_ray.training.opened import OpenedRun

__all__ = ["BlockValues", "value_block"]


@dataclass(frozen=True)
class BlockValues:
    """What is said of n rows, shape (n,) each.

    Parameters
    ----------
    value, standard_error : ndarray
        ``B * shapley``, the mean over passes; NaN errors for one pass.
    probability : ndarray
        Of keeping the row, averaged alike.
    """

    value: np.ndarray
    standard_error: np.ndarray
    probability: np.ndarray


def value_block(
    run: OpenedRun, features: np.ndarray, passes: int, counters: tuple[int, ...]
) -> BlockValues:
    """Value rows in random batches.

    Parameters
    ----------
    run : OpenedRun
        Whose net values.
    features : ndarray, shape (n, c), float32
        Gauss-ranked features, in the order of the run's config.
    passes : int
        Partitions.
    counters : tuple of int
        Pass ``p`` is drawn by the run's seed and ``(p, *counters)``.

    Returns
    -------
    BlockValues
        In the order of the rows, in the dtype of the run.
    """
    net, policy = run.valuing
    config = run.config
    inputs = torch.from_numpy(features).to(getattr(torch, config.training.dtype))
    if config.encoder.squares:
        inputs = torch.cat([inputs, (inputs.square() - 1) / 2**0.5], dim=1)
    total = torch.zeros(3, len(inputs), dtype=torch.float64)
    first: Tensor | None = None
    for number in range(passes):
        values, odds = torch.empty(2, len(inputs), dtype=inputs.dtype)
        draws = generator(config.seed, "valuation", number, *counters)
        order = torch.randperm(len(inputs), generator=draws)
        for rows in torch.split(order, config.training.batch_size):
            values[rows] = net.value(inputs[rows], len(rows)).values
            odds[rows] = policy.probabilities(values[rows])
        # Squares of differences from the first pass, so that equal passes have no error at all.
        first = values.double() if first is None else first
        away = values.double() - first
        total += torch.stack([away, away.square(), odds.double()])
    assert first is not None
    mean, square, odds = total / passes
    # One pass says nothing of its error: 0 / 0.
    spread = (square - mean.square()).clamp_min(0) / (passes - 1)
    dtype = np.float32 if inputs.dtype == torch.float32 else np.float64
    columns = (first + mean, spread.sqrt(), odds)
    return BlockValues(*(column.numpy().astype(dtype) for column in columns))
