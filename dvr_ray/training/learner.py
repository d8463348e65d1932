"""One replica of the backbone: its optimiser, its BPR steps, its copying and merging.

Loss of a batch, over the kept triplets: mean of ``w l`` plus ``l2 / 2`` times the mean squared norm
of the embeddings read (LightGCN's regulariser, not Adam's weight decay); l is the sampler's loss
of a row, ``softplus(s_uj - s_ui)`` for one negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.negatives import NegativeSampler
from dvr_ray.state import prefixed, under
from dvr_ray.training.optimiser import BackboneOptimiser, mean_tensors
from dvr_ray.weightings import TripletBatch

__all__ = ["Batch", "Learner", "LossRecord"]


@dataclass(frozen=True)
class Batch:
    """One global batch, the same on every worker and for every replica.

    Parameters
    ----------
    step : int
        Counts the batches of a run.
    rows : Tensor, shape (B,)
        Training rows, on the CPU.
    users, positives : Tensor, shape (B,)
        Users and items of the rows, on the model's device.
    drawn : Tensor, shape (B, m) or (1, m)
        Draws for the rows' negatives (`NegativeSampler.draw`), on the model's device.
    begins : bool
        Whether it is the first of its epoch.
    keys : Tensor of int64, shape (B,)
        A number per triplet and step, from which dropout derives its masks; on the model's device.
    """

    step: int
    rows: Tensor
    users: Tensor
    positives: Tensor
    drawn: Tensor
    begins: bool
    keys: Tensor

    def share(self, kept: Tensor | None, collective: Collective) -> tuple[Batch, int]:
        """Return this worker's share of the kept triplets, and how many all workers hold."""
        chosen = torch.arange(len(self.rows)) if kept is None else kept.nonzero()[:, 0]
        own = chosen.tensor_split(collective.size)[collective.rank]
        if len(own) == len(self.rows):
            return self, len(chosen)
        place = own.to(self.users.device)
        drawn = self.drawn if len(self.drawn) < len(self.rows) else self.drawn[place]
        share = Batch(
            self.step,
            self.rows[own],
            self.users[place],
            self.positives[place],
            drawn,
            self.begins,
            self.keys[place],
        )
        return share, len(chosen)


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
        """Record losses (b,) of rows (b,), which may repeat."""
        found = losses.cpu().to(self._seen)
        self._seen.index_add_(1, rows, torch.stack([found, torch.ones_like(found)]))

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
    negatives : NegativeSampler
        Chooses negatives by the backbone; may be set anew for a horizon.
    """

    def __init__(
        self,
        make: Callable[[], Backbone],
        lr: float,
        l2: float,
        collective: Collective,
        negatives: NegativeSampler,
    ) -> None:
        self.backbone = make()
        self.l2, self._collective, self.negatives = l2, collective, negatives
        self.optimiser = BackboneOptimiser(self.backbone, lr, collective)
        self._snapshot: Any = None
        self._aged = 0

    def step(
        self,
        batch: Batch,
        record: LossRecord,
        kept: Tensor | None = None,
        weigh: Callable[[TripletBatch], Tensor | None] = lambda triplets: None,
    ) -> None:
        """Take one step on the kept triplets of a batch; an empty draw is skipped.

        Parameters
        ----------
        batch : Batch
            The global batch.
        record : LossRecord
            Gets the losses.
        kept : Tensor of bool, shape (B,), optional
            Which triplets count; all by default.
        weigh : callable, optional
            Weights of the triplets; one by default.
        """
        self._look(batch)
        own, total = batch.share(kept, self._collective)
        if total:
            loss = self._loss(own, total, record, weigh)
            self.optimiser.step(loss, begins=batch.begins)

    def _look(self, batch: Batch) -> None:
        """Renew what the sampler knows of the model."""
        self._aged += len(batch.rows)
        wanted = self.negatives.refresh_rows
        if batch.begins or (wanted is not None and self._aged >= wanted):
            with torch.no_grad():
                self._snapshot, self._aged = self.negatives.snapshot(self.backbone), 0

    def _loss(
        self,
        own: Batch,
        total: int,
        record: LossRecord,
        weigh: Callable[[TripletBatch], Tensor | None],
    ) -> Tensor:
        with torch.no_grad():
            negatives = self.negatives.choose(self.backbone, self._snapshot, own.users, own.drawn)
        out = self.backbone(own.users, own.positives, negatives.items, own.keys)

        def row_losses(gaps: Tensor) -> Tensor:
            return self.negatives.losses(gaps, negatives)

        losses = row_losses(out.positive[:, None] - out.negative)
        record.add(own.rows, losses.detach())
        triplets = TripletBatch(
            own.step, total, own.rows, own.users, own.positives, negatives.items, negatives.usable,
            losses, row_losses, self.backbone,
        )  # fmt: skip
        weights = weigh(triplets)
        fit = losses if weights is None else weights * losses
        loss: Tensor = (fit.sum() + 0.5 * self.l2 * out.squared_norm.sum()) / total
        return loss

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments."""
        weights = {name: tensor.detach() for name, tensor in self.backbone.state_dict().items()}
        return prefixed("weights", weights) | prefixed("optimiser", self.optimiser.tensors())

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave, by copy."""
        self.backbone.load_state_dict(under("weights", state))
        self.optimiser.load_tensors(under("optimiser", state))

    def merge(self, replicas: Iterable[Learner], count: int, workers: Collective) -> None:
        """Become the average of replicas, weights and moments alike.

        Parameters
        ----------
        replicas : iterable of Learner
            This worker's.
        count : int
            Number of replicas of all workers.
        workers : Collective
            Have shares of them; all become the same average.
        """
        states = (replica.tensors() for replica in replicas)
        self.load_tensors(mean_tensors(self.tensors(), states, count, workers))

    def hand_over(self, workers: Collective, *, own: bool) -> None:
        """Become what it is on the one worker that trained it, whose ``own`` is true."""
        if workers.size > 1:
            states = [self.tensors()] if own else []
            self.load_tensors(mean_tensors(self.tensors(), states, 1, workers))
