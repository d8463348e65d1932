"""What is drawn for an epoch or a horizon: the order of rows, their batches, their negatives.

Every draw is named by purpose and counter (`dvr_ray.seeding`), so that all replicas of a horizon
train on the same numbers, all workers draw alike, and a resumed run needs no saved states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives import NegativeSampler
from dvr_ray.seeding import generator
from dvr_ray.training.learner import EpochPlan
from dvr_ray.weightings import Horizon

__all__ = ["Group", "Planner"]


@dataclass(frozen=True)
class Group:
    """Rows of one horizon and how they are walked.

    Parameters
    ----------
    batches : list of Tensor
        Row numbers.
    epochs : int
        Epochs that a mask is held for.
    whole : bool
        Whether the batches are all rows, walked in a new order in every epoch.
    """

    batches: list[Tensor]
    epochs: int
    whole: bool


class Planner:
    """Draws batches and negatives.

    Parameters
    ----------
    config : RunConfig
        Reads seed, batch size, epochs and the horizon's length.
    train : Interactions
        The training part.
    negatives : NegativeSampler
        Draws the negatives.
    device : torch.device
        Where triplets are wanted.
    """

    def __init__(
        self,
        config: RunConfig,
        train: Interactions,
        negatives: NegativeSampler,
        device: torch.device,
    ) -> None:
        self._seed, self._batch_size = config.seed, config.training.batch_size
        self._epochs, self._horizon = config.training.epochs, config.adapter.horizon
        self._negatives, self._device = negatives, device
        self._rows = len(train)
        self._users = torch.from_numpy(train.users).to(device)
        self._items = torch.from_numpy(train.items).to(device)

    def cut(self, purpose: str, counter: int) -> list[Tensor]:
        """Cut a random order of all training rows into batches."""
        order = torch.randperm(self._rows, generator=generator(self._seed, purpose, counter))
        return list(torch.split(order, self._batch_size))

    def groups(self, number: int, epoch: int) -> list[Group]:
        """Cut a partition into one horizon over all rows, or an epoch of short ones.

        Parameters
        ----------
        number, epoch : int
            Horizons and epochs done.

        Returns
        -------
        list of Group
            In the order in which they are walked.
        """
        batches = self.cut("partition", number)
        size = self._horizon.batches
        if size is None:
            return [Group(batches, min(self._horizon.epochs, self._epochs - epoch), True)]
        starts = range(0, len(batches), size)
        return [Group(batches[start : start + size], 1, False) for start in starts]

    def epoch(self, batches: list[Tensor], counter: int) -> EpochPlan:
        """Draw fresh negatives for the rows of an epoch."""
        drawn = self._negatives.sample(generator(self._seed, "negatives", counter))
        return EpochPlan(counter, batches, self._users, self._items, drawn.to(self._device))

    def horizon(
        self,
        batches: list[Tensor],
        number: int,
        losses: Tensor,
        embeddings: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        *counters: int,
    ) -> Horizon:
        """Draw one fixed negative per row for a partition; arguments as in `Horizon`."""
        seed = generator(self._seed, "fixed negatives", number, *counters)
        return Horizon(number, batches, self._negatives.sample(seed), losses, embeddings)
