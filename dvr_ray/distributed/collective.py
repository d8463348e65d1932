"""The `Collective` of a ``torch.distributed`` group.

Its sum is an autograd function of our own, forward SUM and backward SUM
(``torch.distributed.nn.functional`` is deprecated). The derivative of a sum over workers, taken
over all of them, is the sum of what flows into it on each; so a loss term that all workers compute
alike must enter as 1/W on each, and parameter gradients are summed, not averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from dvr_ray.collective import Traffic
from dvr_ray.errors import RunError

__all__ = ["LostWorkerError", "TorchCollective"]


class LostWorkerError(RunError):
    """Another worker of the group is gone, or doesn't answer in time."""


class TorchCollective:
    """All workers of a process group (gloo on CPU, nccl where each owns a GPU).

    Parameters
    ----------
    group : ProcessGroup, optional
        The default group if not given.

    Attributes
    ----------
    rank, size : int
        Index of this worker, and number of workers, W.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self.traffic = Traffic()
        # Asked once: when a worker is lost, Ray Train takes the group away while others train.
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self._device = torch.device("cuda" if dist.get_backend(group) == "nccl" else "cpu")

    def sum(self, values: Tensor) -> Tensor:
        """Sum over workers, forward and backward; any shape, the same on all."""
        total: Tensor = _Sum.apply(values, self)  # type: ignore[no-untyped-call]
        return total

    def sum_(self, values: Tensor) -> Tensor:
        """Sum over workers in place, outside autograd; any shape, the same on all."""
        with torch.no_grad():
            moved = values.detach().contiguous().to(self._device)
            with _together():
                dist.all_reduce(moved, group=self._group)
            self.traffic.summed(moved.nbytes, self.size)
            return values.copy_(moved)

    def gather(self, values: Tensor) -> Tensor:
        """Stack what all workers hold, without gradient: any one shape to (W, ...)."""
        moved = values.detach().contiguous().to(self._device)
        found = moved.new_empty(self.size, *moved.shape)
        with _together():
            dist.all_gather([*found], moved, group=self._group)
        self.traffic.gathered(moved.nbytes, self.size)
        return found.to(values.device)


@contextmanager
def _together() -> Iterator[None]:
    """Tell what another worker's end does here from faults of this worker's own."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # the latter: the group was taken away
        cause = " ".join(str(error).split())
        raise LostWorkerError("worker group", f"lost a worker ({cause})") from error


class _Sum(torch.autograd.Function):
    """Sum over workers whose gradient is summed over workers too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, collective: TorchCollective) -> Tensor:
        """Sum over workers."""
        ctx.collective = collective
        return collective.sum_(values.clone())

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        """Sum the gradient over workers."""
        collective: TorchCollective = ctx.collective
        return collective.sum_(upstream.clone()), None
