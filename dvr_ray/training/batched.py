"""Replicas of a row-wise backbone trained as one batched computation.

The tables of K replicas lie in one, below each other, and a batch is the list of all triplets that
any replica keeps, with the numbers of that replica's rows. Scores are inner products, so the
gradient of a user's row is a weighted sum of items' rows and the other way round: one sort of the
row numbers and one ``embedding_bag`` per table sum them for all replicas at once, and neither
gradients per triplet nor copies of them are ever held. Every replica then takes its own Adam step
on its own rows. Beside the K replicas and their moments, which the one-by-one form holds too, this
takes the gradients of the rows of one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.negatives import Negatives, NegativeSampler
from dvr_ray.training.exchange import RowExchange, Rows
from dvr_ray.training.learner import Batch, Learner, LossRecord
from dvr_ray.weightings import Weighting

__all__ = ["Stack", "can_stack"]

BLOCK = 2048
"""Scores computed at a time, so that the rows read for them stay in the cache."""


def can_stack(learner: Learner, negatives: NegativeSampler, weighting: Weighting) -> bool:
    """Tell whether replicas can share a computation: plain inner products of plain tables."""
    backbone = type(learner.backbone)
    unchanged = all(
        getattr(backbone, name) is getattr(Backbone, name)
        for name in ("match", "score", "rows", "forward", "regularised")
    )
    return (
        backbone.rowwise
        and unchanged
        and learner.optimiser.rows_only
        and (not negatives.sees_model or type(negatives).choose is NegativeSampler.choose)
        and type(weighting).weigh is Weighting.weigh
    )


class _Triplets(NamedTuple):
    """Triplets of all replicas, n in all and m negatives each, replica after replica.

    Row numbers are those of the common tables; ``scale`` (n,) is 1 / the number of triplets that
    the replica keeps.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    scale: Tensor


class Stack:
    """Learners whose tables are moved into common ones and that step together.

    Parameters
    ----------
    learners : sequence of Learner
        Of the same run, see `can_stack`. They stay usable one by one.
    collective : Collective
        The group; every replica's triplets are split over it.
    negatives : NegativeSampler
        Knows the loss.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        collective: Collective,
        negatives: NegativeSampler,
    ) -> None:
        self.learners = list(learners)
        self._collective, self._negatives = collective, negatives
        self._l2 = self.learners[0].l2
        tables = [learner.backbone.represent() for learner in self.learners]
        self._sizes = len(tables[0].users), len(tables[0].items)
        self._users = _joined([table.users for table in tables])
        self._items = _joined([table.items for table in tables])
        self._exchange = RowExchange(collective, [len(self._users), len(self._items)])

    def step(
        self, batch: Batch, kept: Sequence[Tensor | None], records: Sequence[LossRecord]
    ) -> None:
        """Let every learner take the step that `Learner.step` takes.

        Parameters
        ----------
        batch : Batch
            The global batch, with draws for each row.
        kept : sequence of Tensor of bool, shape (B,), or None
            Which triplets each learner trains with; None is all.
        records : sequence of LossRecord
            Where each learner's losses go.
        """
        shares = [batch.share(mask, self._collective) for mask in kept]
        own = [share for share, _ in shares]
        totals = [total for _, total in shares]
        triplets = self._triplets(own, totals)
        losses, slopes = self._losses(triplets, self._chosen(own))
        found = torch.split(losses, [len(share.rows) for share in own])
        for share, seen, record in zip(own, found, records, strict=True):
            record.add(share.rows, seen)
        gradients = self._gradients(triplets, slopes)
        self._move(self._exchange.sum(gradients, batch.begins), totals)

    def _chosen(self, own: list[Batch]) -> Negatives:
        """Ask the sampler once, since it doesn't look at the models."""
        users = torch.cat([share.users for share in own])
        drawn = torch.cat([share.drawn for share in own])
        return self._negatives.choose(self.learners[0].backbone, None, users, drawn)

    def _triplets(self, own: list[Batch], totals: list[int]) -> _Triplets:
        users, items = self._sizes
        scale = [
            torch.full(share.users.shape, 1 / max(total, 1), dtype=self._users.dtype)
            for share, total in zip(own, totals, strict=True)
        ]
        return _Triplets(
            torch.cat([share.users + k * users for k, share in enumerate(own)]),
            torch.cat([share.positives + k * items for k, share in enumerate(own)]),
            torch.cat([share.drawn + k * items for k, share in enumerate(own)]),
            torch.cat(scale).to(self._users.device),
        )

    def _losses(self, triplets: _Triplets, drawn: Negatives) -> tuple[Tensor, Tensor]:
        """Return losses (n,) and the slope (n, m) of every replica's mean loss in each gap."""
        gaps = self._gaps(triplets).requires_grad_()
        losses = self._negatives.losses(gaps, drawn)
        (slopes,) = torch.autograd.grad(losses, gaps, triplets.scale)
        return losses.detach(), slopes

    def _gaps(self, triplets: _Triplets) -> Tensor:
        """Scores of positives minus those of negatives, (n, m)."""
        size = max(1, BLOCK // triplets.negatives.shape[1])
        blocks = zip(*(torch.split(numbers, size) for numbers in triplets[:3]), strict=True)
        found = []
        for users, positives, negatives in blocks:
            items = self._items.index_select(0, negatives.flatten())
            items = items.view(*negatives.shape, self._items.shape[1])
            items.neg_().add_(self._items.index_select(0, positives)[:, None])
            user = self._users.index_select(0, users)
            found.append(items.mul_(user[:, None]).sum(2))
        return torch.cat(found)

    def _gradients(self, triplets: _Triplets, slopes: Tensor) -> list[Rows]:
        """Row numbers and gradients of users and of items, from this worker's triplets."""
        count = slopes.shape[1]
        users = torch.cat([triplets.users, triplets.users.repeat_interleave(count)])
        items = torch.cat([triplets.positives, triplets.negatives.flatten()])
        pull = torch.cat([slopes.sum(1), -slopes.flatten()])
        decay = self._l2 * triplets.scale
        # A user's norm counts once a triplet, an item's as often as it is listed.
        of_users = torch.cat([decay, torch.zeros_like(pull[len(decay) :])])
        of_items = torch.cat([decay, (decay / count).repeat_interleave(count)])
        return [
            _summed(users, items, pull, of_users, self._users, self._items),
            _summed(items, users, pull, of_items, self._items, self._users),
        ]

    def _move(self, gradients: list[Rows], totals: list[int]) -> None:
        """Let each replica step on its rows; one that keeps nothing doesn't step."""
        for side, (size, (rows, values)) in enumerate(zip(self._sizes, gradients, strict=True)):
            ends = torch.arange(1, len(totals) + 1, device=rows.device) * size
            start = 0
            for k, stop in enumerate(torch.searchsorted(rows, ends).tolist()):
                if totals[k]:
                    adam = self.learners[k].optimiser.by_rows[side]
                    adam.step(rows[start:stop] - k * size, values[start:stop])
                start = stop


def _joined(tables: list[Tensor]) -> Tensor:
    """Lay tables below each other and make each a view of the whole; (K rows, d), no gradient."""
    if len(tables) == 1:
        return tables[0].detach()
    whole = torch.cat([table.detach() for table in tables])
    for table, part in zip(tables, whole.chunk(len(tables)), strict=True):
        table.data = part
        # Representations kept for the weights of before lie elsewhere.
        torch.autograd.graph.increment_version(table)
    return whole


def _summed(
    rows: Tensor, others: Tensor, pull: Tensor, decay: Tensor, own: Tensor, other: Tensor
) -> Rows:
    """Sum ``pull * other[others] + decay * own[rows]`` by row: distinct rows (r,), sums (r, d)."""
    ordered, order = rows.sort(stable=True)
    distinct, counts = torch.unique_consecutive(ordered, return_counts=True)
    starts = counts.cumsum(0) - counts
    sums = embedding_bag(
        others[order], other, starts, mode="sum", per_sample_weights=pull[order]
    )  # fmt: skip
    shrunk = embedding_bag(order, decay[:, None], starts, mode="sum")
    return Rows(distinct, sums.addcmul_(own.index_select(0, distinct), shrunk))
