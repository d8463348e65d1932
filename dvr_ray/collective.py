"""What a group of workers can do together, and the group of one.

`valuation`, `metrics` and `training` are handed a `Collective` and never ask
``torch.distributed`` themselves; `distributed` holds the one that does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Collective", "OneProcess", "Traffic", "concatenated", "sum_together_"]


@dataclass
class Traffic:
    """What one worker has sent to the others since its group began.

    Parameters
    ----------
    calls : int
        Collective operations that it took part in.
    sent : int
        Bytes of tensors that left it, by rings, as gloo and nccl have them.
    """

    calls: int = 0
    sent: int = 0

    def summed(self, size: int, workers: int) -> None:
        """Count a sum of ``size`` bytes: 2 (W - 1) / W of them leave each of W workers."""
        self.calls += 1
        self.sent += 2 * (workers - 1) * size // workers

    def gathered(self, size: int, workers: int) -> None:
        """Count a gathering of ``size`` bytes from each: its own and W - 2 others pass on."""
        self.calls += 1
        self.sent += (workers - 1) * size


class Collective(Protocol):
    """A group of W workers that hold shares of the same batch."""

    @property
    def rank(self) -> int:
        """Index of this worker, 0 to W - 1."""

    @property
    def size(self) -> int:
        """Number of workers, W."""

    @property
    def traffic(self) -> Traffic:
        """What this worker has sent."""

    def sum(self, values: Tensor) -> Tensor:
        """Sum over workers, differentiable: forward SUM, backward SUM.

        A loss term that every worker computes alike from the result must enter as 1/W on each;
        parameter gradients are then summed over workers.
        """

    def sum_(self, values: Tensor) -> Tensor:
        """Sum over workers in place, outside autograd; returns its argument."""

    def gather(self, values: Tensor) -> Tensor:
        """Stack what all workers hold, without gradient: any one shape to (W, ...)."""


class OneProcess:
    """The group of one: every sum is its argument."""

    rank = 0
    size = 1
    traffic = Traffic()

    def sum(self, values: Tensor) -> Tensor:
        """Return the argument."""
        return values

    def sum_(self, values: Tensor) -> Tensor:
        """Return the argument."""
        return values

    def gather(self, values: Tensor) -> Tensor:
        """Return the argument as the only row."""
        return values.detach()[None]


def sum_together_(tensors: Iterable[Tensor], group: Collective) -> None:
    """Sum each of some tensors of one type over workers, in place and in one operation."""
    import torch

    own = [*tensors]
    if group.size == 1 or not own:
        return
    total = group.sum_(torch.cat([tensor.flatten() for tensor in own]))
    parts = torch.split(total, [tensor.numel() for tensor in own])
    for tensor, part in zip(own, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def concatenated(values: Tensor, group: Collective) -> Tensor:
    """Put the rows of all workers below each other, in order of rank.

    Parameters
    ----------
    values : Tensor, shape (r, ...)
        r may differ between workers and be 0.
    group : Collective
        The workers.

    Returns
    -------
    Tensor, shape (R, ...)
        R the sum of all r.
    """
    import torch

    if group.size == 1:
        return values.detach()
    counts = group.gather(torch.tensor(len(values), device=values.device))
    padded = values.new_zeros(int(counts.max()), *values.shape[1:])
    padded[: len(values)] = values.detach()
    there = torch.arange(len(padded), device=values.device) < counts[:, None]
    return group.gather(padded)[there]
