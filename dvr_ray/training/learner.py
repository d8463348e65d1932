"""One replica of the backbone: its optimiser, its BPR steps, its copying and merging.

Loss of a batch, over the kept triplets: mean of ``w softplus(s_uj - s_ui)`` plus ``l2 / 2`` times
the mean squared norm of the embeddings read (LightGCN's regulariser, not Adam's weight decay).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.state import prefixed, under
from dvr_ray.training.optimiser import BackboneOptimiser, mean_tensors

__all__ = ["EpochPlan", "Learner", "LossRecord"]


@dataclass(frozen=True)
class EpochPlan:
    """The global batches of one epoch, the same on every worker and for every replica.

    Parameters
    ----------
    number : int
        Counts epochs, or horizons where these are shorter.
    batches : list of Tensor
        Training rows of each batch.
    users, items, negatives : Tensor, shape (n,)
        Triplet of every training row, on the model's device.
    """

    number: int
    batches: list[Tensor]
    users: Tensor
    items: Tensor
    negatives: Tensor


class LossRecord:
    """Sums of the losses seen since the last `merge`, and their running mean per row (decay .9).

    Parameters
    ----------
    rows : int
        Number n of training rows.
    collective : Collective
        Each worker records its own rows.
    """

    DECAY = 0.9

    def __init__(self, rows: int, collective: Collective) -> None:
        self._collective = collective
        # Row 0 holds sums of losses, row 1 how often each training row was seen.
        self._seen = torch.zeros(2, rows, dtype=torch.float64)
        self.mean = torch.full((rows,), float("nan"), dtype=torch.float64)
        self._before: Tensor | None = None

    def add(self, rows: Tensor, losses: Tensor) -> None:
        """Record losses (b,) of distinct rows (b,)."""
        self._seen[0, rows] += losses.cpu()
        self._seen[1, rows] += 1

    def merge(self) -> float:
        """Fold the sums of all workers into the running mean; return the mean loss since then."""
        self._collective.sum_(self._seen)
        total, times = self._seen
        seen = times > 0
        latest = total[seen] / times[seen]
        old = self.mean[seen]
        mixed = self.DECAY * old + (1 - self.DECAY) * latest
        self.mean[seen] = torch.where(old.isnan(), latest, mixed)
        mean = float(total.sum() / times.sum().clamp_min(1))
        self._seen.zero_()
        return mean

    def begin_selecting(self) -> None:
        """Remember the means of now, once: a dropped row's later loss says nothing of the row."""
        if self._before is None:
            self._before = self.filled()

    def unselected(self) -> Tensor:
        """Running mean as it was before rows were selected, or now where none were; (n,)."""
        return self.filled() if self._before is None else self._before

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        before = {} if self._before is None else {"before": self._before}
        return {"mean": self.mean} | before

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self.mean, self._before = state["mean"], state.get("before")

    def filled(self) -> Tensor:
        """Running mean with rows that were never seen at the mean of the others, shape (n,)."""
        known = self.mean[~self.mean.isnan()]
        return self.mean.nan_to_num(float(known.mean()) if len(known) else 0.0)


class Learner:
    """A backbone with its optimiser.

    Parameters
    ----------
    make : callable
        Returns a backbone with fresh weights on the right device.
    lr, l2 : float
        Learning rate and strength of the regulariser.
    collective : Collective
        The group; every batch is split over it.
    """

    def __init__(
        self, make: Callable[[], Backbone], lr: float, l2: float, collective: Collective
    ) -> None:
        self.backbone = make()
        self._l2, self._collective = l2, collective
        self._optimiser = BackboneOptimiser(self.backbone, lr, collective)

    def train_epoch(
        self,
        plan: EpochPlan,
        record: LossRecord,
        select: Callable[[Tensor], Tensor] = lambda rows: rows,
        weigh: Callable[[Tensor], Tensor | None] = lambda losses: None,
    ) -> None:
        """Take one step per batch on the rows that ``select`` keeps; an empty draw is skipped."""
        for batch in plan.batches:
            rows = select(batch)
            if len(rows):
                self._step(plan, rows, record, weigh)

    def _step(
        self,
        plan: EpochPlan,
        rows: Tensor,
        record: LossRecord,
        weigh: Callable[[Tensor], Tensor | None],
    ) -> None:
        own = rows.tensor_split(self._collective.size)[self._collective.rank]
        place = own.to(plan.users.device)
        out = self.backbone(plan.users[place], plan.items[place], plan.negatives[place])
        losses = softplus(out.negative - out.positive)
        record.add(own, losses.detach())
        weights = weigh(losses.detach())
        fit = losses if weights is None else weights * losses
        loss = (fit.sum() + 0.5 * self._l2 * out.squared_norm.sum()) / len(rows)
        self._optimiser.step(loss)

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments."""
        weights = {name: tensor.detach() for name, tensor in self.backbone.state_dict().items()}
        return prefixed("weights", weights) | prefixed("optimiser", self._optimiser.tensors())

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave, by copy."""
        self.backbone.load_state_dict(under("weights", state))
        self._optimiser.load_tensors(under("optimiser", state))

    def merge(self, replicas: list[Learner]) -> None:
        """Become the average of replicas, weights and moments alike."""
        self.load_tensors(mean_tensors(replica.tensors() for replica in replicas))
