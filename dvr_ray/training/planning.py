"""What is drawn for an epoch or a horizon: the order of rows, their batches, their negatives.

Every draw is named by purpose and counter (`dvr_ray.seeding`), so that all replicas of a horizon
train on the same numbers, all workers draw alike, and a resumed run needs no saved states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives import NegativeSampler
from dvr_ray.seeding import derive, generator
from dvr_ray.training.learner import Batch

__all__ = ["Group", "Planner"]

CHUNK = 8192
"""Rows whose fixed negatives are chosen at once; bounds the memory for their candidates."""


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
        Whether the batches are all rows, walked in a new `Planner.order` in every epoch.
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
        self._rows, self._sampling = len(train), config.training.sampling
        self._starts = torch.from_numpy(train.user_offsets)
        self._users = torch.from_numpy(train.users).to(device)
        self._items = torch.from_numpy(train.items).to(device)

    def cut(self, purpose: str, counter: int) -> list[Tensor]:
        """Cut a random order of all training rows into batches."""
        order = torch.randperm(self._rows, generator=generator(self._seed, purpose, counter))
        return list(torch.split(order, self._batch_size))

    def order(self, epoch: int) -> list[Tensor]:
        """Draw the batches of an epoch by ``training.sampling``; drawn by user, rows repeat."""
        if self._sampling == "interaction":
            return self.cut("order", epoch)
        numbers = generator(self._seed, "order", epoch)
        counts = self._starts.diff()
        active = counts.nonzero()[:, 0]
        users = active[torch.randint(len(active), (self._rows,), generator=numbers)]
        share = torch.rand(self._rows, dtype=torch.float64, generator=numbers)
        rows = self._starts[users] + (share * counts[users]).long()
        return list(torch.split(rows, self._batch_size))

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

    def walk(self, batches: list[Tensor], counter: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, each with fresh draws of its negatives.

        Parameters
        ----------
        batches : list of Tensor
            Training rows of each.
        counter : int
            Epochs done, or horizons where these are shorter.
        """
        for place, rows in enumerate(batches):
            numbers = generator(self._seed, "negatives", counter, place)
            drawn = self._negatives.draw(rows, numbers)
            # Rows are numbered by user: in order, neighbours read the same rows of the tables.
            ordered, order = rows.sort()
            yield Batch(
                counter * len(batches) + place,
                ordered,
                self._users[ordered],
                self._items[ordered],
                (drawn if len(drawn) < len(rows) else drawn[order]).to(self._device),
                begins=place == 0,
                keys=self._keys(len(rows), counter, place),
            )

    def _keys(self, count: int, *counters: int) -> Tensor:
        """Consecutive numbers from a random one: whoever mixes them gets unrelated ones."""
        first = derive(self._seed, "dropout", *counters) >> 1
        return torch.arange(first, first + count, device=self._device)

    def fixed_negatives(self, backbone: Backbone, rows: Tensor, *counters: int) -> Tensor:
        """Draw one negative per row that stays for a horizon, (r,), by the model of its start.

        Of several the first usable one; of a list of which none is, the first.
        """
        numbers = generator(self._seed, "fixed negatives", *counters)
        with torch.no_grad():
            snapshot = self._negatives.snapshot(backbone)
            found = [
                self._first(backbone, snapshot, part, numbers) for part in torch.split(rows, CHUNK)
            ]
        return torch.cat(found)

    def _first(
        self, backbone: Backbone, snapshot: object, rows: Tensor, numbers: torch.Generator
    ) -> Tensor:
        users = self._users[rows]
        drawn = self._negatives.draw(rows, numbers).to(self._device)
        found = self._negatives.choose(backbone, snapshot, users, drawn)
        if found.usable is None:
            return found.items[:, 0].expand(len(rows)).cpu()
        first = found.usable.byte().argmax(1, keepdim=True)
        return found.items.expand(len(rows), -1).gather(1, first)[:, 0].cpu()
