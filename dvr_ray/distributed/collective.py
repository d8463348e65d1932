"""The `Collective` of a ``torch.distributed`` group."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["TorchCollective"]


class _Sum(torch.autograd.Function):
    """Sum over workers whose gradient is summed over workers too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        total = upstream.contiguous().clone()
        dist.all_reduce(total)
        return total


class TorchCollective:
    """All workers of the default process group (gloo on CPU, nccl where each owns a GPU)."""

    @property
    def rank(self) -> int:
        """Index of this worker."""
        return dist.get_rank()

    @property
    def size(self) -> int:
        """Number of workers, W."""
        return dist.get_world_size()

    def sum(self, values: Tensor) -> Tensor:
        """Sum over workers, forward and backward."""
        total: Tensor = _Sum.apply(values)
        return total

    def sum_(self, values: Tensor) -> Tensor:
        """Sum over workers in place, on whichever device the backend needs."""
        moved = values.contiguous().to(_device())
        dist.all_reduce(moved)
        return values.copy_(moved)

    def gather_rows(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Concatenate rows and values of all workers; shares may differ in length."""
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(rows)
        longest = int(self.sum_(counts).max())
        all_rows = _gathered(_padded(rows, longest), self.size)
        all_values = _gathered(_padded(values, longest), self.size)
        kept = [slice(0, int(count)) for count in counts]
        return (
            torch.cat([part[keep] for part, keep in zip(all_rows, kept, strict=True)]),
            torch.cat([part[keep] for part, keep in zip(all_values, kept, strict=True)]),
        )


def _padded(values: Tensor, length: int) -> Tensor:
    padded = values.new_zeros(length, *values.shape[1:])
    padded[: len(values)] = values
    return padded


def _gathered(values: Tensor, size: int) -> list[Tensor]:
    parts = [torch.empty_like(values) for _ in range(size)]
    dist.all_gather(parts, values)
    return parts


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
