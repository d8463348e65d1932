"""Valuators that a run keeps: the best model's, and those of a few reports, evenly spread.

Values over training are told by weights instead of values: they are the same few kilobytes whatever
the number of rows, and with inputs that are fixed once the warm-up has ended they give exactly the
values of then. At most 16 reports are kept, and none of a valuator beyond a megabyte (only
memberships by place, or hundreds of units in several layers, are as large), so the file never
exceeds 16 MiB.
"""

from __future__ import annotations

from torch import Tensor

from dvr_ray.state import prefixed, under

__all__ = ["Valuators", "by_epoch"]

MOST, LARGEST = 16, 1 << 20
BEST, HISTORY = "best valuator", "valuator history"


class Valuators:
    """Gathers valuators while a run trains.

    Attributes
    ----------
    best : dict of str to Tensor
        The one in use when the best model was measured; empty without a valuator.
    history : dict of str to Tensor
        Those of up to 16 reports, their names led by the epoch, as ``12.means.head``.
    """

    def __init__(self) -> None:
        self.best: dict[str, Tensor] = {}
        self.history: dict[str, Tensor] = {}

    def add(self, epoch: int, tensors: dict[str, Tensor]) -> None:
        """Take a report's valuator.

        Parameters
        ----------
        epoch : int
            Epochs done.
        tensors : dict of str to Tensor
            As `Weighting.valuator_tensors` gives it.
        """
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if 0 < size <= LARGEST:
            self.history |= prefixed(str(epoch), tensors)
            self._thin()

    def _thin(self) -> None:
        """Take out the report whose neighbours lie nearest; the first and the last stay."""
        epochs = sorted(by_epoch(self.history))
        if len(epochs) > MOST:
            inner = range(1, len(epochs) - 1)
            # Of equal ones the latest goes, so that the early reports, which move most, stay.
            place = min(inner, key=lambda k: (epochs[k + 1] - epochs[k - 1], -k))
            gone = f"{epochs[place]}."
            self.history = {k: v for k, v in self.history.items() if not k.startswith(gone)}

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        return prefixed(BEST, self.best) | prefixed(HISTORY, self.history)

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self.best, self.history = under(BEST, state), under(HISTORY, state)


def by_epoch(history: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Take a history apart: each report's valuator by its epoch, in order."""
    epochs = sorted({int(name.partition(".")[0]) for name in history})
    return {epoch: under(str(epoch), history) for epoch in epochs}
