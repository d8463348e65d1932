"""The interface of negative samplers.

Sampling has two halves. `draw` needs no model: it is the same for all replicas of a horizon and on
all workers. `choose` turns what was drawn into items by the scores of one model; samplers that
don't look at a model leave it alone. A row's loss over its n negatives is the sampler's too
(`losses`), since importance sampling weighs them by where they were drawn from.

A sampler that learns (`learns`) takes part in horizons as a weighting does: `begin` draws how K
replicas explore, `of` is what one of them trains on, and `end` learns from their rewards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.registry import Registry

__all__ = ["NEGATIVES", "NegativeSampler", "Negatives"]


@dataclass(frozen=True)
class Negatives:
    """The negatives of b rows, n each.

    Parameters
    ----------
    items : Tensor of int64, shape (b, n) or (1, n)
        Items; one list for all rows where the first size is 1.
    usable : Tensor of bool, shape (b, n), or None
        False where a listed item is a training item of the row's user; None where none is.
    log_proposal : Tensor, shape (b, n) or (1, n), or None
        Log of the probability that the item was drawn with, up to a constant per user.
    """

    items: Tensor
    usable: Tensor | None = None
    log_proposal: Tensor | None = None


class NegativeSampler(ABC):
    """Draws negative items for training rows.

    Parameters
    ----------
    params : Params
        The sampler's own fields.
    train : Interactions
        Training part; none of its pairs is ever a negative.
    """

    Params: type[Strict]

    refresh_rows: int | None = None
    """After so many trained rows `snapshot` is taken anew; None: once an epoch."""

    sees_model = True
    """Whether `choose` reads the backbone or the snapshot; replicas may share what it returns if
    not."""

    learns = False
    """Whether it explores on the replicas of a horizon and wants their rewards."""

    @abstractmethod
    def __init__(self, params: Any, train: Interactions) -> None: ...

    def meet(self, backbone: type[Backbone]) -> None:  # noqa: B027
        """Learn which backbone will train on the negatives, before the first draw."""

    @abstractmethod
    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw what `choose` needs for some training rows, on the CPU.

        Shape (b,) to (b, m), or to (1, m) where one draw serves all rows of a batch.
        """

    def snapshot(self, backbone: Backbone) -> Any:
        """Return what `choose` needs of a model and may be some steps old."""
        return None

    def choose(self, backbone: Backbone, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        """Turn draws into negatives; called without gradient.

        Parameters
        ----------
        backbone : Backbone
            The model that will train on them; see `Backbone.frozen`.
        snapshot : object
            What `snapshot` returned.
        users : Tensor, shape (b,)
            Users of the rows.
        drawn : Tensor, shape (b, m) or (1, m)
            What `draw` returned for them, on the model's device.

        Returns
        -------
        Negatives
            The draws themselves unless changed.
        """
        return Negatives(drawn)

    def losses(self, gaps: Tensor, negatives: Negatives) -> Tensor:
        """Loss of each row: the mean BPR loss over its usable negatives.

        Parameters
        ----------
        gaps : Tensor, shape (b, n)
            Score of the positive minus that of the negative.
        negatives : Negatives
            What `choose` returned.

        Returns
        -------
        Tensor, shape (b,)
        """
        each = softplus(-gaps)
        if negatives.usable is None:
            return each.mean(1)
        usable = negatives.usable.to(each)
        return (each * usable).sum(1) / usable.sum(1).clamp_min(1)

    def begin(self, replicas: int, generator: torch.Generator) -> None:  # noqa: B027
        """Draw how the K replicas of a horizon explore; only called where it learns."""

    def of(self, replica: int) -> NegativeSampler:
        """Return the sampler of one replica of the open horizon: itself unless it explores."""
        return self

    def end(self, rewards: Tensor) -> dict[str, Any]:
        """Learn from the rewards of a horizon and return monitors, as `Weighting.end` does.

        Parameters
        ----------
        rewards : Tensor, shape (K, U)
            Reward of every user under each replica, more is better; NaN where not measured.

        Returns
        -------
        dict
            Monitors by name, numbers or lists of them.
        """
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """State between horizons, for a checkpoint."""
        return {}

    def load_tensors(self, state: dict[str, Tensor]) -> None:  # noqa: B027
        """Restore what `tensors` gave."""


NEGATIVES: Registry[NegativeSampler] = Registry("negative sampler", "dvr_ray.negatives")
