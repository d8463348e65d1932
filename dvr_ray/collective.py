"""What a group of workers can do together, and the group of one.

`valuation`, `metrics` and `training` are handed a `Collective` and never ask
``torch.distributed`` themselves; `distributed` holds the one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Collective", "OneProcess"]


class Collective(Protocol):
    """A group of W workers that hold shares of the same batch."""

    @property
    def rank(self) -> int:
        """Index of this worker, 0 to W - 1."""

    @property
    def size(self) -> int:
        """Number of workers, W."""

    def sum(self, values: Tensor) -> Tensor:
        """Sum over workers, differentiable: forward SUM, backward SUM.

        A loss term that every worker computes alike from the result must enter as 1/W on each;
        parameter gradients are then summed over workers.
        """

    def sum_(self, values: Tensor) -> Tensor:
        """Sum over workers in place, outside autograd; returns its argument."""

    def gather_rows(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Concatenate every worker's (r,) row numbers and (r, d) values, in order of rank."""


class OneProcess:
    """The group of one: every sum is its argument."""

    rank = 0
    size = 1

    def sum(self, values: Tensor) -> Tensor:
        """Return the argument."""
        return values

    def sum_(self, values: Tensor) -> Tensor:
        """Return the argument."""
        return values

    def gather_rows(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the arguments."""
        return rows, values
