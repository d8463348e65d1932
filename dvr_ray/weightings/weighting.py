"""The interface of weightings.

The trainer runs in horizons. In each, it asks the weighting which rows every replica of the
backbone may train with (`select`) and how much each loss counts (`weigh`); at the end it hands
over the reward of every replica (`end`). A weighting that only looks at losses, such as a
truncated or a reweighted loss, overrides `weigh` alone.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, device

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.config.schema import RunConfig, Strict
from dvr_ray.data.interactions import TrialData
from dvr_ray.registry import Registry

__all__ = ["WEIGHTINGS", "Horizon", "TripletBatch", "Weighting", "WeightingParts"]


@dataclass(frozen=True)
class WeightingParts:
    """What a weighting is built from.

    Parameters
    ----------
    params : Params
        The weighting's own fields, from ``method``.
    config : RunConfig
        The whole run.
    data : TrialData
        What a trial may see.
    adapter : MetricAdapter
        Turns rewards into a gradient (`dvr_ray.rewards`).
    collective : Collective
        The workers that share each batch.
    device : torch.device
        Where models live.
    """

    params: Any
    config: RunConfig
    data: TrialData
    adapter: Any
    collective: Collective
    device: device


@dataclass(frozen=True)
class Horizon:
    """The stretch of training over which a mask is held.

    Parameters
    ----------
    number : int
        Counts horizons of the run.
    batches : list of Tensor
        The partition: training rows of every global batch.
    losses : Tensor, shape (n,)
        Running mean of each row's BPR loss.
    embeddings : callable
        Maps (users, items), each (b,), to the backbone's embeddings, each (b, D), detached.
    negatives : callable
        Maps rows (r,) to a negative item for each, the same for the whole horizon.
    """

    number: int
    batches: list[Tensor]
    losses: Tensor
    embeddings: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    negatives: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TripletBatch:
    """The triplets of one step that one worker holds.

    Parameters
    ----------
    step : int
        Counts the steps of a run.
    total : int
        Number of triplets over all workers.
    rows : Tensor, shape (b,)
        Training rows.
    users, positives : Tensor, shape (b,)
        Their users and items.
    negatives : Tensor, shape (b, n) or (1, n)
        Their negative items; one list for all where the first size is 1.
    usable : Tensor of bool, shape (b, n), or None
        False where a listed negative doesn't count for the row; None where all do.
    losses : Tensor, shape (b,)
        BPR losses, with gradient.
    loss : callable
        Maps gaps (b, n), score of the positive minus that of each negative, to the losses (b,) that
        the sampler makes of them: ``losses`` is what it says of the model as it is.
    backbone : Backbone
        The model that trains on them.
    """

    step: int
    total: int
    rows: Tensor
    users: Tensor
    positives: Tensor
    negatives: Tensor
    usable: Tensor | None
    losses: Tensor
    loss: Callable[[Tensor], Tensor]
    backbone: Backbone


class Weighting(ABC):
    """Keeps every row with weight one; subclasses change what they need."""

    Params: type[Strict]

    needs_training = True
    """Whether it only makes sense for a backbone that trains on the triplets it weighs; pairs that
    make none are refused before training."""

    one_model = False
    """Whether it follows the training of one model, so that K replicas can't share it."""

    reads_features = False
    """Whether it reads the features of ``encoder.features``; else they aren't computed."""

    learns = False
    """Whether it wants rewards: then `adapter.masks` replicas explore side by side in a horizon."""

    def __init__(self, parts: WeightingParts) -> None:
        self.parts = parts

    @classmethod
    def check(cls, params: Any, config: RunConfig, place: str) -> None:
        """Refuse fields that don't fit the rest of a run, before anything is started.

        Parameters
        ----------
        params : Params
            The weighting's own fields.
        config : RunConfig
            The whole run.
        place : str
            Where ``method`` was written, for messages.

        Raises
        ------
        ConfigError
            With the reason; by default nothing is refused.
        """
        return

    @classmethod
    def needs(cls, params: Any) -> tuple[str, ...]:
        """What the data must hold for these fields, as `dvr_ray.metrics.Metric.needs`."""
        return ()

    def begin(self, horizon: Horizon) -> None:
        """Prepare a horizon, before any replica trains."""
        return

    def select(self, replica: int, rows: Tensor) -> Tensor | None:
        """Tell which of the rows, shape (b,), a replica trains with: bool, (b,); None is all.

        Replica K, where there is one, is the model that goes on while K others explore.
        """
        return None

    def redraw(self, counter: int) -> None:
        """Draw the rows of replica K anew: it isn't rewarded, so its draw needn't be held.

        Parameters
        ----------
        counter : int
            Another one for every epoch.
        """
        return

    def weigh(self, replica: int, triplets: TripletBatch) -> Tensor | None:
        """Return weights of the selected triplets' losses, shape (b,); None is one for all.

        Where they carry a gradient to the backbone, they train it too.
        """
        return None

    def end(self, horizon: Horizon, rewards: Tensor) -> dict[str, Any]:
        """Learn from the rewards and return the monitors.

        Parameters
        ----------
        horizon : Horizon
            As given to `begin`.
        rewards : Tensor, shape (K, U)
            Reward of every user under each replica, more is better; NaN where not measured.

        Returns
        -------
        dict
            Monitors by name, numbers or lists of them.
        """
        return {}

    def values(self, horizon: Horizon) -> tuple[Tensor, Tensor] | None:
        """Return value (B x Shapley) and probability of all n rows; None without a valuator."""
        return None

    def valuator_tensors(self) -> dict[str, Tensor]:
        """What `values` depends on, to be restored later; empty without a valuator."""
        return {}

    def load_valuator(self, state: dict[str, Tensor]) -> None:
        """Restore what `valuator_tensors` gave, so that `values` says what it said then."""
        return

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        return {}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        return


WEIGHTINGS: Registry[Weighting] = Registry("method", "dvr_ray.weightings")
