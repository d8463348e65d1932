"""A step of gradient descent that is tried out: parameters after it are a function of the loss.

Of a ``rowwise`` backbone only the rows of the batch stand in for its tables, numbered anew, so that
a look-ahead costs what the batch costs and not what the catalogue does. The rows are those of all
workers, and the gradient is summed over them, so that each worker looks ahead by the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective

__all__ = ["LookAhead", "Read", "read"]


@dataclass(frozen=True)
class Read:
    """What a model says of b triplets with n negatives each.

    Parameters
    ----------
    gaps : Tensor, shape (b, n)
        Score of the positive minus that of the negative.
    user, positive : Tensor, shape (b, D)
        Embeddings before any propagation, i.e. those that the L2 term counts.
    negative : Tensor, shape (b, n, D) or (1, n, D)
        The same of the negatives.
    """

    gaps: Tensor
    user: Tensor
    positive: Tensor
    negative: Tensor


def read(backbone: Backbone, users: Tensor, positives: Tensor, negatives: Tensor) -> Read:
    """Read triplets, shapes as in `Backbone.forward`, with gradient."""
    out = backbone(users, positives, negatives)
    counted = backbone.regularised(backbone.represent())
    rows = backbone.rows(counted, users, positives, negatives)
    return Read(out.positive[:, None] - out.negative, *rows)


class _Reader(nn.Module):
    """Makes `read` the forward pass of a module, as `functional_call` wants it."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Read:
        return read(self.backbone, users, positives, negatives)


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
    ) -> Read:
        """Read triplets by other parameters; shapes as in `Backbone.forward`."""
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
        found: Read = functional_call(self._reader, parameters, triplets)
        return found

    def _read_nothing(self, parameters: dict[str, Tensor], negatives: Tensor) -> Read:
        """Read row 0 and drop it: an empty share takes part in the sums over workers.

        torch 2.13 can't differentiate a lookup of no rows twice ("cannot reshape tensor of 0
        elements").
        """
        row = negatives.new_zeros(1)
        triplets = row, row, negatives.new_zeros(1, negatives.shape[1])
        found: Read = functional_call(self._reader, parameters, triplets)
        listed = found.negative[: len(negatives)]
        return Read(found.gaps[:0], found.user[:0], found.positive[:0], listed)


def _union(numbers: Tensor, collective: Collective) -> Tensor:
    """Sorted distinct numbers of all workers, and 0: shape (r,) to (s,)."""
    own: Tensor = torch.unique(torch.cat([numbers.new_zeros(1), numbers]))
    gathered, _ = collective.gather_rows(own, own[:, None])
    union: Tensor = torch.unique(gathered)
    return union
