"""The backbones of a run: the main one, K replicas that explore for a horizon, and the control.

All of a horizon's models are trained by every worker, each on its share of a batch, or each model
by one worker that owns it (`dvr_ray.training.sharing`), which holds no replicas but its own.

Usually replicas start from the main backbone, train on K draws of the policy, and are merged into
it. A sampler that learns explores on the same replicas. Where they don't follow the policy, because
they start from scratch or their masks are drawn in random directions, they only explore: the main
backbone then trains on the policy's own draw, and with what the sampler has learned so far.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from dvr_ray.config.schema import RunConfig
from dvr_ray.seeding import generator
from dvr_ray.state import prefixed, under
from dvr_ray.training.batched import Stack, can_stack
from dvr_ray.training.build import Parts
from dvr_ray.training.learner import Batch, Learner, LossRecord
from dvr_ray.training.sharing import Sharing, goes_apart

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
    config : RunConfig
        Reads seed, exploration and the horizon's start.
    parts : Parts
        Makes learners; its weighting selects and weighs their rows.
    rows : int
        Number n of training rows.
    sharing : Sharing
        Who trains which of them.

    Attributes
    ----------
    exploring : dict of int to Learner
        This worker's replicas by the number of their mask.
    control : Learner or None
        Trains on all rows, for the gate.
    others : list of Learner
        Train on the rows of ``policy.alternatives``.
    """

    def __init__(self, config: RunConfig, parts: Parts, rows: int, sharing: Sharing) -> None:
        self._seed, self._scratch = config.seed, config.adapter.horizon.start == "scratch"
        self._policy = config.policy
        self.apart = goes_apart(config)
        self._parts, self._rows, self._sharing = parts, rows, sharing
        self._kept: dict[int, Learner] = {}
        self._stack: Stack | None = None
        self.main = parts.learner(0)
        self.control: Learner | None = None
        self.others: list[Learner] = []
        self.exploring: dict[int, Learner] = {}

    def open(self, number: int) -> None:
        """Put K replicas in the state that horizon ``number`` starts from."""
        wanted = self._parts.replicas
        own = [k for k in range(wanted) if self._sharing.owns(k)]
        if self._scratch:
            self.exploring = {k: self._parts.learner(number + 1) for k in own}
        elif wanted == 1 and not self.apart:
            self.exploring = {0: self.main}
        else:
            if not self._kept:
                self._kept = {k: self._parts.learner(0) for k in own}
            state = self.main.tensors()
            for replica in self._kept.values():
                replica.load_tensors(state)
            self.exploring = self._kept
        self._spread_negatives(number)

    def _spread_negatives(self, number: int) -> None:
        negatives = self._parts.negatives
        if negatives.learns:
            numbers = generator(self._seed, "learned negatives", number)
            negatives.begin(self._parts.replicas, numbers)
            for k, learner in self.exploring.items():
                learner.negatives = negatives.of(k)

    def begin_beside(self) -> None:
        """Let copies of the main backbone go on beside it, unless they do.

        One trains on all rows where the gate wants it, and one for each alternative to the policy.
        """
        state = self.main.tensors()
        if self._policy.gate and self.control is None:
            self.control = self._copy(state)
        while len(self.others) < len(self._policy.alternatives):
            self.others.append(self._copy(state))

    @property
    def valued(self) -> dict[str, Learner]:
        """Models trained on rows that a policy selects, by its name; the main one first."""
        names = [f"highest {rate:g}" for rate in self._policy.alternatives]
        others = zip(names, self.others, strict=False)  # none while warming up
        return {self._policy.normalisation: self.main} | dict(others)

    def _copy(self, state: dict[str, Tensor]) -> Learner:
        learner = self._parts.learner(0)
        learner.load_tensors(state)
        return learner

    def train(self, batches: Iterable[Batch], record: LossRecord) -> None:
        """Train the main backbone alone for one epoch; a weighting that learns isn't asked."""
        number = None if self._parts.weighting.learns else 0
        own = self._sharing.owns(0)
        self._walk(batches, [_Trained(self.main, record, number)] if own else [])
        self.main.hand_over(self._sharing.models, own=own)

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
        silent = LossRecord(self._rows, self._sharing.batches)
        counted, replicas = silent if self.apart else record, self._parts.replicas
        trained = [_Trained(learner, counted, k) for k, learner in self.exploring.items()]
        if self.apart:
            self._parts.weighting.redraw(counter)
            if self._owns_main:
                trained.append(_Trained(self.main, record, replicas))
        for place, (learner, number) in enumerate(self._beside):
            if self._owns_beside(place):
                trained.append(_Trained(learner, silent, number))
        self._walk(batches, trained)

    def hand_over(self) -> None:
        """End a horizon's training: main and those beside it become alike on all workers."""
        if self.apart:
            self.main.hand_over(self._sharing.models, own=self._owns_main)
        for place, (learner, _) in enumerate(self._beside):
            learner.hand_over(self._sharing.models, own=self._owns_beside(place))

    def merge(self) -> None:
        """End a horizon: average the replicas into the main backbone where they follow the policy.

        Replicas from scratch are let go.
        """
        if not self.apart and self._parts.replicas > 1:
            replicas = self.exploring.values()
            self.main.merge(replicas, self._parts.replicas, self._sharing.models)
        if self._scratch:
            self._stack = None
        self.exploring = {}

    def tensors(self) -> dict[str, Tensor]:
        """State between horizons, for a checkpoint."""
        named = {"main": self.main} | ({} if self.control is None else {"control": self.control})
        named |= {f"other{number}": learner for number, learner in enumerate(self.others)}
        return {
            key: tensor
            for name, learner in named.items()
            for key, tensor in prefixed(name, learner.tensors()).items()
        }

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self.main.load_tensors(under("main", state))
        if control := under("control", state):
            self.control = self._copy(control)
        self.others = []
        while other := under(f"other{len(self.others)}", state):
            self.others.append(self._copy(other))

    @property
    def _owns_main(self) -> bool:
        """Where the main backbone goes apart, it is dealt out after the replicas."""
        return self._sharing.owns(self._parts.replicas)

    @property
    def _beside(self) -> list[tuple[Learner, int | None]]:
        """Models beside the main one, and their numbers for the weighting."""
        control = [] if self.control is None else [(self.control, None)]
        first = self._parts.replicas + 1
        return [*control, *((each, first + place) for place, each in enumerate(self.others))]

    def _owns_beside(self, place: int) -> bool:
        return self._sharing.owns(self._parts.replicas + self.apart + place)

    def _walk(self, batches: Iterable[Batch], trained: list[_Trained]) -> None:
        if not trained:
            return
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
            self._stack = Stack(learners, self._sharing.batches, self._parts.negatives)
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
