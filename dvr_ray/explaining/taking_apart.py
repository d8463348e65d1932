"""A row's value as an exact sum: what its inputs say alone, and its share of each Harsanyi unit.

A stored value is the mean over four random partitions of the training rows into batches. In each,
the row's batch is taken apart (`dvr_ray.valuation.dividends`), and the parts are averaged, so that
they add up to the stored value. Where encodings are the inputs themselves, what a row says alone is
a sum over inputs as well. Parts are also told as differences from those of the mean row of the
batches, which add up to the difference of the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dvr_ray.explaining.valued import ValuedRun
from dvr_ray.valuation.dividends import Dividends, dividends

__all__ = ["Check", "Parts", "Unit", "take_apart"]

EXAMPLES = 3
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Unit:
    """One Harsanyi unit, as one row meets it; numbers are means over the row's batches.

    Parameters
    ----------
    layer, number : int
        Which unit; layers count from 1.
    asks : str
        What makes a row a member: the input that weighs most in the gate, high or low; of a deeper
        unit, the units below. Empty where encodings aren't inputs.
    weight : float
        Share of that input in the gate's squared weights, 0 to 1; 1 where it isn't one input.
    about : str
        That input; empty where it isn't one.
    dividend : float
        What it adds to B times the worth.
    size : float
        Rows of the batch in its field.
    batch : float
        Rows of the batch.
    inside : float
        Share of the batches in which the row is in the field, 0 to 1.
    share : float
        What it adds to the row's value.
    difference : float
        ``share`` minus what it adds to the mean row of the batch.
    same_user, same_item : int
        Other members in the first batch with the row's user, and with its item.
    examples : tuple of int
        Other members in the first batch: the training rows with the nearest inputs.
    """

    layer: int
    number: int
    asks: str
    weight: float
    about: str
    dividend: float
    size: float
    batch: float
    inside: float
    share: float
    difference: float
    same_user: int
    same_item: int
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Check:
    """Whether values add up to the worth in one batch.

    Parameters
    ----------
    rows : int
        Rows B of the batch.
    values : float
        Sum of the Shapley values.
    worth, empty : float
        Worth of the batch and of the empty batch, found without dividends: by walking the layers.
    error : float
        ``|values - (worth - empty)|``.
    holds : bool
        Whether that is rounding: at most 1e-4 of the sum of the values' sizes.
    """

    rows: int
    values: float
    worth: float
    empty: float
    error: float
    holds: bool


@dataclass(frozen=True)
class Parts:
    """A value taken apart.

    Parameters
    ----------
    value : float
        The sum of ``alone`` and all units' shares.
    mean : float
        Mean value of the rows of its batches.
    alone, alone_difference : float
        What the row says alone, and how that differs from the mean row.
    inputs : dict of str to float
        How each input makes ``alone`` differ from the mean row's; empty where the encoder isn't
        affine.
    units : tuple of Unit
        All that aren't silent in every batch, the largest share first.
    checks : tuple of Check
        One for each batch.
    """

    value: float
    mean: float
    alone: float
    alone_difference: float
    inputs: dict[str, float]
    units: tuple[Unit, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class _Batch:
    """One batch that holds the row: its rows, encodings, parts, and the row's place."""

    rows: Tensor
    encodings: Tensor
    parts: Dividends
    place: int


def take_apart(run: ValuedRun, row: int) -> Parts:
    """Take the value of a training row apart.

    Parameters
    ----------
    run : ValuedRun
        The run.
    row : int
        A training row.

    Returns
    -------
    Parts
        Exact up to rounding.
    """
    batches = [_batch(run, row, rows) for rows in run.holding(row)]
    own = np.mean([float(b.parts.alone[b.place]) for b in batches])
    mean_alone = np.mean([float(b.parts.alone.mean()) for b in batches])
    return Parts(
        value=float(np.mean([float(b.parts.values[b.place]) for b in batches])),
        mean=float(np.mean([float(b.parts.values.mean()) for b in batches])),
        alone=float(own),
        alone_difference=float(own - mean_alone),
        inputs=_inputs(run, batches),
        units=_units(run, row, batches),
        checks=tuple(_check(run, batch) for batch in batches),
    )


@torch.no_grad()
def _batch(run: ValuedRun, row: int, rows: Tensor) -> _Batch:
    encodings = run.net.encoder(run.inputs[rows])
    place = int((rows == row).nonzero()[0, 0])
    return _Batch(rows, encodings, dividends(run.net.valuator, encodings), place)


def _inputs(run: ValuedRun, batches: list[_Batch]) -> dict[str, float]:
    """How each input makes what the row says alone differ from what the mean row says."""
    if run.config.encoder.name != "none":
        return {}
    gaps = torch.stack([b.encodings[b.place] - b.encodings.mean(0) for b in batches]).mean(0)
    told = (gaps * run.net.valuator.singletons.detach())[:-1].double().tolist()
    found: dict[str, float] = dict.fromkeys(run.labels, 0.0)
    for label, part in zip(run.labels, told, strict=True):
        found[label] += part
    return dict(sorted(found.items(), key=lambda each: -abs(each[1])))


def _units(run: ValuedRun, row: int, batches: list[_Batch]) -> tuple[Unit, ...]:
    def mean(tensors: list[Tensor]) -> np.ndarray:
        return torch.stack([t.double() for t in tensors]).mean(0).numpy()

    inside = mean([b.parts.fields[:, b.place] for b in batches])
    share = mean([b.parts.shares * b.parts.fields[:, b.place] for b in batches])
    usual = mean([b.parts.units / len(b.rows) for b in batches])
    dividend, size = (mean([getattr(b.parts, n) for b in batches]) for n in ("units", "sizes"))
    rows = float(np.mean([len(b.rows) for b in batches]))
    order = np.argsort(-np.abs(share), axis=None, kind="stable")
    places = [(int(p) // share.shape[1], int(p) % share.shape[1]) for p in order]
    others = _Others(run, row, batches[0])
    return tuple(
        Unit(
            layer + 1, unit, *_asks(run, layer, unit), float(dividend[layer, unit]),
            float(size[layer, unit]), rows, float(inside[layer, unit]), float(share[layer, unit]),
            float(share[layer, unit] - usual[layer, unit]), *others.of(layer, unit),
        )
        for layer, unit in places if dividend[layer, unit]
    )  # fmt: skip


class _Others:
    """Who else is in a unit of the first batch."""

    def __init__(self, run: ValuedRun, row: int, batch: _Batch) -> None:
        train = run.train
        self._batch = batch
        self._far = (run.inputs[batch.rows] - run.inputs[row]).norm(dim=1)
        self._far[batch.place] = torch.inf
        rows = batch.rows.numpy()
        self._same = [
            torch.from_numpy(owners[rows] == owners[row]) for owners in (train.users, train.items)
        ]

    def of(self, layer: int, unit: int) -> tuple[int, int, tuple[int, ...]]:
        field = self._batch.parts.fields[layer, :, unit].clone()
        field[self._batch.place] = False
        far = self._far.masked_fill(~field, torch.inf)
        nearest = far.topk(min(EXAMPLES, int(field.sum())), largest=False).indices
        user, item = (int((field & same).sum()) for same in self._same)
        return user, item, tuple(self._batch.rows[nearest].tolist())


def _asks(run: ValuedRun, layer: int, unit: int) -> tuple[str, float, str]:
    """Say what makes a row a member of a unit, and how much of the gate that is."""
    valuator = run.net.valuator
    if layer:
        below = (valuator.child_logits[layer - 1, unit] > 0).nonzero()[:, 0].tolist()
        more = " ..." if len(below) > EXAMPLES else ""
        return f"in layer {layer}: {', '.join(map(str, below[:EXAMPLES]))}{more}", 1.0, ""
    if run.config.encoder.name != "none" or valuator.gates.dim() > 2:
        return "", 1.0, ""
    weights = valuator.gates[unit, :-1].detach().double()
    first = int(weights.abs().argmax())
    share = float(weights[first].square() / weights.square().sum().clamp_min(1e-30))
    label = run.labels[first]
    return f"{'high' if weights[first] > 0 else 'low'} {label}", share, label


@torch.no_grad()
def _check(run: ValuedRun, batch: _Batch) -> Check:
    size = len(batch.rows)
    values = batch.parts.values.double() / size
    every = torch.ones(size, dtype=torch.bool)
    worth, empty = run.net.valuator.worth(batch.encodings, torch.stack([every, ~every])).tolist()
    error = abs(float(values.sum()) - (worth - empty))
    holds = error <= TOLERANCE * max(float(values.abs().sum()), 1e-12)
    return Check(size, float(values.sum()), worth, empty, error, holds)
