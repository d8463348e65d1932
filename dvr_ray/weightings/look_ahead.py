"""A step of gradient descent that is tried out: parameters after it are a function of the loss.

Of a ``rowwise`` backbone only the rows of the batch stand in for its tables, numbered anew, so that
a look-ahead costs what the batch costs and not what the catalogue does. The rows are those of all
workers, and the gradient is summed over them, so that each worker looks ahead by the whole batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective, concatenated

__all__ = ["LookAhead", "Rows", "rows_of"]


class Rows(NamedTuple):
    """Embeddings of triplets before any propagation, i.e. those that the L2 term counts.

    Users' and positives' have shape (b, D), negatives' (b, n, D) or (1, n, D).
    """

    user: Tensor
    positive: Tensor
    negative: Tensor


def rows_of(backbone: Backbone, users: Tensor, positives: Tensor, negatives: Tensor) -> Rows:
    """Look up triplets, shapes as in `Backbone.forward`, with gradient."""
    counted = backbone.regularised(backbone.represent())
    return Rows(*backbone.rows(counted, users, positives, negatives))


class _Reader(nn.Module):
    """Makes gaps (b, n) and rows the forward pass of a module, as `functional_call` wants it."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Rows]:
        out = self.backbone(users, positives, negatives)
        rows = rows_of(self.backbone, users, positives, negatives)
        return out.positive[:, None] - out.negative, rows


class LookAhead:
    """Tensors that stand in for a backbone's parameters.

    Parameters
    ----------
    backbone : Backbone
        Stays as it is.
    users, items : Tensor, shapes (r,) and (q,)
        Every user and item that this worker will read, repeated or not.
    collective : Collective
        The group; each worker reads a share of the batch.
    """

    def __init__(
        self, backbone: Backbone, users: Tensor, items: Tensor, collective: Collective
    ) -> None:
        self._reader, self._collective = _Reader(backbone), collective
        named = dict(self._reader.named_parameters())
        self._leaves = {name: parameter.detach() for name, parameter in named.items()}
        self._numbered: tuple[Tensor, Tensor] | None = None
        if backbone.rowwise:
            self._numbered = _union(users, collective), _union(items, collective)
            names = {id(parameter): name for name, parameter in named.items()}
            for table, rows in zip(backbone.represent(), self._numbered, strict=True):
                self._leaves[names[id(table)]] = table.detach()[rows]
        for leaf in self._leaves.values():
            leaf.requires_grad_()

    def now(self) -> dict[str, Tensor]:
        """Parameters as they are."""
        # A table that is no leaf gets dense gradients, which can be differentiated again.
        return {name: leaf.view_as(leaf) for name, leaf in self._leaves.items()}

    def after(self, loss: Tensor, rate: float) -> dict[str, Tensor]:
        """Parameters after one step along the gradient, with the graph of how they came about.

        Parameters
        ----------
        loss : Tensor, scalar
            This worker's sum over own triplets, made of what `read` gave for `now`.
        rate : float
            Learning rate of the step.

        Returns
        -------
        dict of str to Tensor
            To be handed to `read`.
        """
        leaves = list(self._leaves.values())
        gradients = torch.autograd.grad(
            loss, leaves, create_graph=True, allow_unused=True, materialize_grads=True
        )
        total = self._collective.sum(torch.cat([g.flatten() for g in gradients]))
        parts = torch.split(total, [leaf.numel() for leaf in leaves])
        return {
            name: leaf - rate * part.view_as(leaf)
            for (name, leaf), part in zip(self._leaves.items(), parts, strict=True)
        }

    def read(
        self, parameters: dict[str, Tensor], users: Tensor, positives: Tensor, negatives: Tensor
    ) -> tuple[Tensor, Rows]:
        """Read triplets by other parameters.

        Parameters
        ----------
        parameters : dict of str to Tensor
            What `now` or `after` returned.
        users, positives, negatives : Tensor
            As in `Backbone.forward`, of those named at the start.

        Returns
        -------
        tuple of Tensor, shape (b, n), and Rows
            Gaps, score of the positive minus that of each negative; and the triplets' rows.
        """
        if not len(users):
            return self._read_nothing(parameters, negatives)
        triplets = users, positives, negatives
        if self._numbered is not None:
            by_user, by_item = self._numbered
            triplets = (
                torch.searchsorted(by_user, users),
                torch.searchsorted(by_item, positives),
                torch.searchsorted(by_item, negatives.contiguous()),  # samplers may expand
            )
        found: tuple[Tensor, Rows] = functional_call(self._reader, parameters, triplets)
        return found

    def _read_nothing(
        self, parameters: dict[str, Tensor], negatives: Tensor
    ) -> tuple[Tensor, Rows]:
        """Read row 0 and drop it: an empty share takes part in the sums over workers.

        torch 2.13 can't differentiate a lookup of no rows twice ("cannot reshape tensor of 0
        elements").
        """
        row = negatives.new_zeros(1)
        triplets = row, row, negatives.new_zeros(1, negatives.shape[1])
        gaps, rows = functional_call(self._reader, parameters, triplets)
        listed = rows.negative[: len(negatives)]
        return gaps[:0], Rows(rows.user[:0], rows.positive[:0], listed)


def _union(numbers: Tensor, collective: Collective) -> Tensor:
    """Sorted distinct numbers of all workers, and 0: shape (r,) to (s,)."""
    own: Tensor = torch.unique(torch.cat([numbers.new_zeros(1), numbers]))
    union: Tensor = torch.unique(concatenated(own, collective))
    return union
