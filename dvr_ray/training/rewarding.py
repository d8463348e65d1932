"""Measures the reward of every replica on validation-reward users."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import Interactions, TrialData
from dvr_ray.metrics import AggregateMetric, ExposureMetric, Lists, Tally
from dvr_ray.metrics.tally import depth_of, wants_embeddings
from dvr_ray.negatives.uniform import Uniform, UniformParams
from dvr_ray.rewards.mixture import Mixture, RewardPart, parse_reward
from dvr_ray.seeding import generator, numpy_generator
from dvr_ray.training.evaluation import Evaluator, mean_per_user
from dvr_ray.training.sharing import Sharing

__all__ = ["RewardMeter"]


class RewardMeter:
    """Per-user reward, oriented so that more is better.

    Of an aggregate metric G, a user earns ``D_u = G(all) - G(all but u's list)``; with scalar
    credit, which sums over users, G over the number of users. With own-item credit the items earn
    ``E_i = G(all) - G(all but item i)`` of a metric of exposure, in its users' place.

    Parameters
    ----------
    config : RunConfig
        Reads ``adapter``.
    data : TrialData
        Holds the validation-reward part.
    evaluator : Evaluator
        Knows the part under the name ``reward``; its users are split over the group.
    sharing : Sharing
        Who measures which replicas, and on which users.

    Attributes
    ----------
    latest : dict of str to float
        Of the last horizon: mean over masks of every part of the reward, more is better.
    """

    def __init__(
        self, config: RunConfig, data: TrialData, evaluator: Evaluator, sharing: Sharing
    ) -> None:
        self._config, self._models = config, sharing.models
        self._common, self._evaluator = evaluator, evaluator.by(sharing.batches)
        self._parts = parse_reward(config.adapter.reward)
        self._mixture = Mixture(self._parts)
        self._metrics = {p.name: p.metric for p in self._parts if p.metric is not None}
        self._candidates = np.flatnonzero(data.reward.user_counts)
        self._negatives = _held_out_negatives(config.seed, data)
        self._users: np.ndarray | None = None
        self.latest: dict[str, float] = {}

    def begin(self, common: Backbone, horizon: int) -> Tensor | None:
        """Open a horizon: draw its users, and see what the common model recommends to them.

        Parameters
        ----------
        common : Backbone
            The model from which the masks' replicas start, before any of them trains.
        horizon : int
            Number of the horizon.

        Returns
        -------
        Tensor of int64, shape (U, K), or None
            Lists that the credit of items goes by, -1 for no item; None: by held-out items.
        """
        self._users = self._drawn(horizon)
        exposed = [m for m in self._metrics.values() if isinstance(m, ExposureMetric)]
        if not exposed or self._config.adapter.credit != "user+item":
            return None
        lists = self._lists(self._common, common, depth_of(exposed))
        # One more than the item, so that zeros of other workers add nothing.
        filled = torch.zeros(lists.catalogue.num_users, lists.items.shape[1], dtype=torch.int64)
        filled[lists.users] = lists.items + 1
        return self._common.collective.sum_(filled) - 1

    def measure(self, backbones: Mapping[int, Backbone], masks: int) -> Tensor:
        """Reward of every user under every mask.

        Parameters
        ----------
        backbones : mapping of int to Backbone
            This worker's replicas at the end of the horizon, by the number of their mask.
        masks : int
            Number K of masks of all workers.

        Returns
        -------
        Tensor, shape (K, U), float64
            NaN where not measured. With own-item credit (K, U + I), users, then items; an item that
            no mask shows has NaN.
        """
        known, names = self._evaluator.catalogue, [part.name for part in self._parts]
        paid = known.num_users
        if self._config.adapter.credit == "item":
            paid += known.num_items or 0
        earned = torch.zeros(masks, len(names), paid, dtype=torch.float64)
        values = torch.zeros(masks, len(names), dtype=torch.float64)
        for k, backbone in backbones.items():
            earned[k], values[k] = self._measure(backbone)
        self._models.sum_(earned)
        means = self._models.sum_(values).mean(0)
        self.latest = dict(zip(names, means.tolist(), strict=True))
        # Of items alone may all be 0; who never earns anything has no say in the scale of a mix.
        items = earned[:, :, known.num_users :]
        items[:, (items == 0).all(0)] = torch.nan
        return self._mixture(earned)

    def tensors(self) -> dict[str, Tensor]:
        """State between horizons, for a checkpoint."""
        return self._mixture.tensors()

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self._mixture.load_tensors(state)

    def _measure(self, backbone: Backbone) -> tuple[Tensor, Tensor]:
        """Rewards (P, U) or (P, U + I) of one replica, and the value of every part, (P,)."""
        metrics, evaluator = self._metrics, self._evaluator
        table = evaluator.item_table(backbone) if wants_embeddings(metrics.values()) else None
        tally = Tally(metrics, Lists.none(evaluator.catalogue, table))
        lists = Lists.none(evaluator.catalogue, table)
        if metrics:
            lists = self._lists(evaluator, backbone, depth_of(metrics.values()), table)
            tally.add(lists)
        tally.merge(evaluator.collective)
        rewards, values = [], []
        for part in self._parts:
            earned = self._paid(part, backbone, lists, tally)
            if self._config.adapter.credit == "item":
                earned = self._placed(earned, isinstance(part.metric, ExposureMetric))
            rewards.append(part.sign * earned)
            value = tally.value(part.name) if part.metric else mean_per_user(rewards[-1])
            values.append(part.sign * value if part.metric else value)
        return torch.stack(rewards), torch.tensor(values, dtype=torch.float64)

    def _paid(self, part: RewardPart, backbone: Backbone, lists: Lists, tally: Tally) -> Tensor:
        """What each user, or item, earns of one part, in its own direction: (U,) or (I,)."""
        if part.metric is None:
            loss = self._evaluator.held_out_loss(backbone, "reward", self._negatives)
            return self._only(loss)
        if not isinstance(part.metric, AggregateMetric):
            return tally.per_user(part.name)
        counts = tally.counts(part.name)
        if self._config.adapter.credit == "scalar":
            value = float(part.metric.value(counts)) / max(len(self._measured), 1)
            return self._only(torch.full((lists.catalogue.num_users,), value, dtype=torch.float64))
        if self._config.adapter.credit == "item" and isinstance(part.metric, ExposureMetric):
            return part.metric.item_differences(counts)
        cut = lists.first(part.metric.cutoff)
        earned = torch.zeros(lists.catalogue.num_users, dtype=torch.float64)
        earned[cut.users] = part.metric.differences(cut, counts)
        return self._only(self._evaluator.collective.sum_(earned))

    def _placed(self, earned: Tensor, by_items: bool) -> Tensor:
        """Put what users or items earn among users and items, shape (U + I,)."""
        known = self._evaluator.catalogue
        nobody = torch.full(
            (known.num_users if by_items else known.num_items or 0,), torch.nan, dtype=torch.float64
        )
        return torch.cat([nobody, earned] if by_items else [earned, nobody])

    def _lists(
        self, evaluator: Evaluator, backbone: Backbone, depth: int, table: Tensor | None = None
    ) -> Lists:
        return evaluator.lists(backbone, "reward", depth, self._users, table)

    @property
    def _measured(self) -> np.ndarray:
        return self._candidates if self._users is None else self._users

    def _only(self, values: Tensor) -> Tensor:
        """Values of the measured users, NaN elsewhere."""
        kept = torch.full_like(values, torch.nan)
        kept[self._measured] = values[self._measured]
        return kept

    def _drawn(self, horizon: int) -> np.ndarray | None:
        """Users of this horizon's evaluation; None is all."""
        wanted = self._config.adapter.users
        if wanted == "all" or wanted >= len(self._candidates):
            return None
        rng = numpy_generator(self._config.seed, "reward users", horizon)
        return rng.choice(self._candidates, wanted, replace=False)


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
