"""Adam that touches only the rows of the batch.

Embedding tables get "lazy" Adam, as torch's ``SparseAdam`` has it: the weights and moments of a row
move only when the row is in the batch. Everything else gets plain Adam. It ranks as well as dense
Adam (`benchmarks/epoch.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective, sum_together_
from dvr_ray.state import load_optimiser, optimiser_tensors, prefixed, under
from dvr_ray.training.exchange import RowExchange, sum_rows

__all__ = ["BackboneOptimiser", "RowAdam", "mean_tensors"]


class RowAdam:
    """Lazy Adam of one table, with the numbers of ``torch.optim.SparseAdam``.

    Parameters
    ----------
    table : Tensor, shape (rows, d)
        Changed in place.
    lr : float
        Learning rate.
    """

    FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8
    BLOCK = 2048
    """Rows stepped at a time, so that what is gathered stays in the cache."""

    def __init__(self, table: Tensor, lr: float) -> None:
        self.table, self._lr = table, lr
        self._steps = 0
        self._mean = torch.zeros_like(table, requires_grad=False)
        self._square = torch.zeros_like(self._mean)

    def step(self, rows: Tensor, gradient: Tensor) -> None:
        """Move distinct rows (r,) along their gradient (r, d); r may be 0, which counts too."""
        self._steps += 1
        rate = self._lr * (1 - self.SECOND**self._steps) ** 0.5 / (1 - self.FIRST**self._steps)
        with torch.no_grad():
            for start in range(0, len(rows), self.BLOCK):
                stop = start + self.BLOCK
                self._step_block(rows[start:stop], gradient[start:stop], rate)

    def _step_block(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        mean = self._mean.index_select(0, rows).lerp_(gradient, 1 - self.FIRST)
        self._mean.index_copy_(0, rows, mean)
        # As a difference, a square that overflows makes the loss NaN instead of a row that stays.
        square = self._square.index_select(0, rows).lerp_(gradient.square(), 1 - self.SECOND)
        self._square.index_copy_(0, rows, square)
        weights = self.table.index_select(0, rows)
        weights.addcdiv_(mean, square.sqrt_().add_(self.EPSILON), value=-rate)
        self.table.index_copy_(0, rows, weights)

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step count."""
        return {
            "step": torch.tensor(self._steps),
            "exp_avg": self._mean,
            "exp_avg_sq": self._square,
        }

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave, by copy."""
        self._steps = int(state["step"])
        self._mean.copy_(state["exp_avg"])
        self._square.copy_(state["exp_avg_sq"])


class BackboneOptimiser:
    """Steps a backbone whose gradients are sums over workers.

    Parameters
    ----------
    backbone : Backbone
        If it is ``rowwise``, the tables that it represents users and items by are stepped by rows.
    lr : float
        Learning rate.
    collective : Collective
        Gradients are summed over it.
    """

    def __init__(self, backbone: Backbone, lr: float, collective: Collective) -> None:
        self._collective = collective
        tables = [*backbone.represent()] if backbone.rowwise else []
        known = {id(table) for table in tables}
        self._rest = [p for p in backbone.parameters() if id(p) not in known]
        self._dense = _fresh_adam(self._rest, lr) if self._rest else None
        self.by_rows = [RowAdam(table, lr) for table in tables]
        self._exchange = RowExchange(collective, [len(table) for table in tables])

    @property
    def rows_only(self) -> bool:
        """Whether the tables of users and items are all that there is."""
        return self._dense is None

    def step(self, loss: Tensor, *, begins: bool) -> None:
        """Backpropagate this worker's part of the loss and step on the sum over workers.

        Without parameters nothing happens.

        Parameters
        ----------
        loss : Tensor, scalar
            Of this worker's triplets.
        begins : bool
            Whether the batch is the first of its epoch.
        """
        parameters = [*(adam.table for adam in self.by_rows), *self._rest]
        if not parameters:
            return
        for parameter in parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self._step_rows(begins)
        if self._dense is not None:
            self._sum_dense()
            self._dense.step()

    def _step_rows(self, begins: bool) -> None:
        found = []
        for adam in self.by_rows:
            assert adam.table.grad is not None
            rows, values = adam.table.grad._indices()[0], adam.table.grad._values()
            found.append(sum_rows(rows, values))
        for adam, gradient in zip(self.by_rows, self._exchange.sum(found, begins), strict=True):
            adam.step(*gradient)

    def _sum_dense(self) -> None:
        for parameter in self._rest:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self._rest if p.grad is not None]
        sum_together_(gradients, self._collective)

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts."""
        state: dict[str, Tensor] = {}
        for number, adam in enumerate(self.by_rows):
            state |= prefixed(f"rows.{number}", adam.tensors())
        if self._dense is not None:
            state |= prefixed("dense", optimiser_tensors(self._dense))
        return state

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        for number, adam in enumerate(self.by_rows):
            adam.load_tensors(under(f"rows.{number}", state))
        if self._dense is not None:
            load_optimiser(self._dense, under("dense", state))


def mean_tensors(
    like: dict[str, Tensor], states: Iterable[dict[str, Tensor]], count: int, workers: Collective
) -> dict[str, Tensor]:
    """Average the states of all workers name by name; of counters take the largest.

    Parameters
    ----------
    like : dict of str to Tensor
        Names and shapes: a worker may have no state.
    states : iterable of dict of str to Tensor
        This worker's.
    count : int
        Number of states of all workers.
    workers : Collective
        Have shares of them.

    Returns
    -------
    dict of str to Tensor
        The same on every worker.
    """
    own = list(states)
    found = {}
    for name, shape in like.items():
        tensors = [state[name] for state in own]
        if shape.is_floating_point() and shape.dim() > 0:
            total = torch.zeros_like(shape)
            for tensor in tensors:
                total += tensor
            found[name] = workers.sum_(total).div_(count)
        else:
            found[name] = _largest(shape, tensors, workers)
    return found


def _largest(like: Tensor, counters: list[Tensor], workers: Collective) -> Tensor:
    """Largest counter of any worker; none is below 0."""
    found = like.new_zeros(workers.size, *like.shape)
    for counter in counters:
        torch.maximum(found[workers.rank], counter, out=found[workers.rank])
    return workers.sum_(found).amax(0)


def _fresh_adam(parameters: list[nn.Parameter], lr: float) -> torch.optim.Adam:
    """Adam with its moments from the start: a worker that takes no step has them to receive."""
    adam = torch.optim.Adam(parameters, lr=lr)
    for parameter in parameters:
        adam.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(parameter, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False),
        }
    return adam
