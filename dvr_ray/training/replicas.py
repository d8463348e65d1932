"""The backbones of a run: the main one, K replicas that explore for a horizon, and the control.

Usually replicas start from the main backbone, train on K draws of the policy, and are merged into
it. A sampler that learns explores on the same replicas. Where they don't follow the policy, because
they start from scratch or their masks are drawn in random directions, they only explore: the main
backbone then trains on the policy's own draw, and with what the sampler has learned so far.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from dvr_ray.collective import Collective
from dvr_ray.config.schema import AdapterConfig
from dvr_ray.seeding import generator
from dvr_ray.state import prefixed, under
from dvr_ray.training.batched import Stack, can_stack
from dvr_ray.training.build import Parts
from dvr_ray.training.learner import Batch, Learner, LossRecord

__all__ = ["Replicas"]


class _Trained(NamedTuple):
    """A learner, where its losses go, and its number for the weighting; None keeps all rows."""

    learner: Learner
    record: LossRecord
    number: int | None


class Replicas:
    """Opens, trains and merges the replicas of a horizon.

    Parameters
    ----------
    config : AdapterConfig
        Reads exploration and the horizon's start.
    parts : Parts
        Makes learners; its weighting selects and weighs their rows.
    rows : int
        Number n of training rows.
    collective : Collective
        The group of workers.
    """

    def __init__(
        self, config: AdapterConfig, parts: Parts, rows: int, collective: Collective
    ) -> None:
        self._scratch = config.horizon.start == "scratch"
        unlike = parts.weighting.learns and config.directional
        self._apart = (parts.learns and self._scratch) or unlike
        self._parts, self._rows, self._collective = parts, rows, collective
        self._kept: list[Learner] = []
        self._stack: Stack | None = None
        self.main = parts.learner(0)
        self.control: Learner | None = None
        self.exploring: list[Learner] = [self.main]

    def open(self, number: int) -> None:
        """Put K replicas in the state that horizon ``number`` starts from."""
        wanted = self._parts.replicas
        if self._scratch:
            self.exploring = [self._parts.learner(number + 1) for _ in range(wanted)]
        elif wanted == 1 and not self._apart:
            self.exploring = [self.main]
        else:
            if not self._kept:
                self._kept = [self._parts.learner(0) for _ in range(wanted)]
            state = self.main.tensors()
            for replica in self._kept:
                replica.load_tensors(state)
            self.exploring = self._kept
        self._spread_negatives(number)

    def _spread_negatives(self, number: int) -> None:
        negatives, seed = self._parts.negatives, self._parts.weighting.parts.config.seed
        if negatives.learns:
            numbers = generator(seed, "learned negatives", number)
            negatives.begin(len(self.exploring), numbers)
            for k, learner in enumerate(self.exploring):
                learner.negatives = negatives.of(k)

    def begin_control(self) -> None:
        """Let a copy of the main backbone go on with all rows, unless one does."""
        if self.control is None:
            self.control = self._parts.learner(0)
            self.control.load_tensors(self.main.tensors())

    def train(self, batches: Iterable[Batch], record: LossRecord) -> None:
        """Train the main backbone alone for one epoch; a weighting that learns isn't asked."""
        number = None if self._parts.weighting.learns else 0
        self._walk(batches, [_Trained(self.main, record, number)])

    def explore(self, batches: Iterable[Batch], counter: int, record: LossRecord) -> None:
        """Train all for one epoch; losses of those that train on the policy's draws count.

        Parameters
        ----------
        batches : iterable of Batch
            The same for all, so that replicas differ by their masks alone.
        counter : int
            Epochs or horizons done.
        record : LossRecord
            Gets the losses.
        """
        silent = LossRecord(self._rows, self._collective)
        counted = silent if self._apart else record
        trained = [_Trained(learner, counted, k) for k, learner in enumerate(self.exploring)]
        if self._apart:
            self._parts.weighting.redraw(counter)
            trained.append(_Trained(self.main, record, len(trained)))
        if self.control is not None:
            trained.append(_Trained(self.control, silent, None))
        self._walk(batches, trained)

    def merge(self) -> None:
        """End a horizon: average the replicas into the main backbone where they follow the policy.

        Replicas from scratch are let go.
        """
        if not self._apart and self.exploring[0] is not self.main:
            self.main.merge(self.exploring)
        if self._scratch:
            self._stack = None
        self.exploring = [self.main]

    def tensors(self) -> dict[str, Tensor]:
        """State between horizons, for a checkpoint."""
        state = prefixed("main", self.main.tensors())
        return state | ({} if self.control is None else prefixed("control", self.control.tensors()))

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self.main.load_tensors(under("main", state))
        if control := under("control", state):
            self.control = self._parts.learner(0)
            self.control.load_tensors(control)

    def _walk(self, batches: Iterable[Batch], trained: list[_Trained]) -> None:
        stack = self._stacked([one.learner for one in trained])
        records = [one.record for one in trained]
        for batch in batches:
            kept = [self._selected(one.number, batch.rows) for one in trained]
            if stack is not None and len(batch.drawn) == len(batch.rows):
                stack.step(batch, kept, records)
            else:
                for one, mask in zip(trained, kept, strict=True):
                    self._step(one, batch, mask)

    def _stacked(self, learners: list[Learner]) -> Stack | None:
        """Return the stack of just these learners, if they can share a computation."""
        if not can_stack(learners[0], self._parts.negatives, self._parts.weighting):
            return None
        if self._stack is None or self._stack.learners != learners:
            self._stack = None  # its tables go before new ones come
            self._stack = Stack(learners, self._collective, self._parts.negatives)
        return self._stack

    def _selected(self, number: int | None, rows: Tensor) -> Tensor | None:
        return None if number is None else self._parts.weighting.select(number, rows)

    def _step(self, one: _Trained, batch: Batch, kept: Tensor | None) -> None:
        number = one.number
        if number is None:
            one.learner.step(batch, one.record)
        else:
            weigh = self._parts.weighting.weigh
            one.learner.step(batch, one.record, kept, lambda triplets: weigh(number, triplets))
