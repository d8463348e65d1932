"""Measures the reward of one replica on validation-reward users."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import Interactions, TrialData
from dvr_ray.metrics import parse
from dvr_ray.negatives.uniform import Uniform, UniformParams
from dvr_ray.registry import canonical
from dvr_ray.seeding import generator, numpy_generator
from dvr_ray.training.evaluation import Evaluator

__all__ = ["RewardMeter"]


class RewardMeter:
    """Per-user reward, oriented so that more is better.

    Parameters
    ----------
    config : RunConfig
        Reads ``adapter.reward`` and ``adapter.users``.
    data : TrialData
        Holds the validation-reward part.
    evaluator : Evaluator
        Knows the part under the name ``reward``.
    """

    def __init__(self, config: RunConfig, data: TrialData, evaluator: Evaluator) -> None:
        self._config, self._evaluator = config, evaluator
        self._name = canonical(config.adapter.reward)
        self._candidates = np.flatnonzero(data.reward.user_counts)
        self._negatives = _held_out_negatives(config.seed, data)

    def measure(self, backbone: Backbone, horizon: int) -> Tensor:
        """Reward of every user, shape (U,), float64; NaN where not measured."""
        users = self._users(horizon)
        if self._name == "loss":
            values = -self._evaluator.held_out_loss(backbone, "reward", self._negatives)
            return values if users is None else _only(values, users)
        found = self._evaluator.per_user(backbone, {"reward": [self._name]}, users)
        values = found["reward"][self._name]
        return values if parse(self._name).higher_is_better else -values

    def _users(self, horizon: int) -> np.ndarray | None:
        """Users of this horizon's evaluation; None is all."""
        wanted = self._config.adapter.users
        if wanted == "all" or wanted >= len(self._candidates):
            return None
        rng = numpy_generator(self._config.seed, "reward users", horizon)
        return rng.choice(self._candidates, wanted, replace=False)


def _only(values: Tensor, users: np.ndarray) -> Tensor:
    kept = torch.full_like(values, torch.nan)
    kept[users] = values[users]
    return kept


def _held_out_negatives(seed: int, data: TrialData) -> Tensor:
    """One fixed negative per held-out row, known to neither part: shape (rows, 1)."""
    both = Interactions.from_pairs(
        np.concatenate([data.train.users, data.reward.users]),
        np.concatenate([data.train.items, data.reward.items]),
        data.train.num_users,
        data.train.num_items,
    )
    rows = torch.from_numpy(np.searchsorted(both.keys, data.reward.keys))
    return Uniform(UniformParams(), both).draw(rows, generator(seed, "held-out negatives"))
