"""Adam that touches only the rows of the batch.

Embedding tables get torch's ``SparseAdam`` ("lazy" Adam: the moments of a row move only when the
row is in the batch), everything else plain Adam. On Gowalla this costs what a hand-written loop of
the same gathers and row updates costs, and ranks as well as dense Adam (`benchmarks/epoch.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.state import load_optimiser, optimiser_tensors, prefixed, under

__all__ = ["BackboneOptimiser"]


class BackboneOptimiser:
    """Steps a backbone whose gradients are sums over workers.

    Parameters
    ----------
    backbone : Backbone
        If it is ``rowwise``, the tables that it represents users and items by are stepped by rows.
    lr : float
        Learning rate.
    collective : Collective
        Gradients are summed over it, table rows by gathering.
    """

    def __init__(self, backbone: Backbone, lr: float, collective: Collective) -> None:
        self._collective = collective
        self._tables = _sparse_tables(backbone)
        known = {id(table) for table in self._tables}
        self._dense = [p for p in backbone.parameters() if id(p) not in known]
        self._optimisers: list[torch.optim.Optimizer] = []
        if self._tables:
            self._optimisers.append(torch.optim.SparseAdam(self._tables, lr=lr))
        if self._dense:
            self._optimisers.append(torch.optim.Adam(self._dense, lr=lr))

    def step(self, loss: Tensor) -> None:
        """Backpropagate this worker's part of the loss and step on the sum over workers.

        Without parameters nothing happens.
        """
        if not self._optimisers:
            return
        for optimiser in self._optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._collective.size > 1:
            self._sum_gradients()
        for optimiser in self._optimisers:
            optimiser.step()

    def _sum_gradients(self) -> None:
        for table in self._tables:
            assert table.grad is not None
            rows, values = self._collective.gather_rows(
                table.grad._indices()[0], table.grad._values()
            )
            table.grad = torch.sparse_coo_tensor(rows[None], values, table.shape)
        for parameter in self._dense:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self._collective.sum_(parameter.grad)

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts."""
        state: dict[str, Tensor] = {}
        for number, optimiser in enumerate(self._optimisers):
            state |= prefixed(str(number), optimiser_tensors(optimiser))
        return state

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        for number, optimiser in enumerate(self._optimisers):
            load_optimiser(optimiser, under(str(number), state))


def _sparse_tables(backbone: Backbone) -> list[Tensor]:
    return [*backbone.represent()] if backbone.rowwise else []


def mean_tensors(states: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Average states name by name; counters, which are integers, must agree or take the largest."""
    gathered = list(states)
    return {name: _mean([state[name] for state in gathered]) for name in gathered[0]}


def _mean(tensors: list[Tensor]) -> Tensor:
    if tensors[0].is_floating_point() and tensors[0].dim() > 0:
        total = tensors[0].clone()
        for tensor in tensors[1:]:
            total += tensor
        return total / len(tensors)
    return torch.stack(tensors).amax(0)
