"""A row's value over training, from the valuators that its run kept.

Inputs are fixed once the warm-up has ended, so that a kept valuator gives exactly the value of its
report. Values have no fixed unit while a valuator learns; what can be compared over reports is the
share of the rows in the same batches that were valued lower.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dvr_ray.errors import CheckpointError
from dvr_ray.explaining.valued import ValuedRun
from dvr_ray.state import under
from dvr_ray.training.stored import HISTORY
from dvr_ray.training.valuators import by_epoch
from dvr_ray.valuation import SelectionPolicy

__all__ = ["Past", "over_training", "why_no_past"]


@dataclass(frozen=True)
class Past:
    """One report.

    Parameters
    ----------
    epoch : int
        Epochs done.
    value : float
        Mean over the row's batches.
    probability : float
        Of keeping the row, by the policy of then.
    lower : float
        Share of the rows in these batches that were valued lower, 0 to 1.
    """

    epoch: int
    value: float
    probability: float
    lower: float


def why_no_past(run: ValuedRun) -> str:
    """Say why values over training aren't known; empty where they are."""
    if not run.fixed:
        return "inputs changed with the model (embeddings, products), so they aren't known"
    if not (run.opened.folder / HISTORY).exists():
        return "the run didn't keep its earlier valuators: too large, or of an older version"
    return ""


def over_training(run: ValuedRun, row: int) -> tuple[Past, ...]:
    """Value a training row by every valuator that its run kept.

    Parameters
    ----------
    run : ValuedRun
        The run.
    row : int
        A training row.

    Returns
    -------
    tuple of Past
        By epoch; empty where `why_no_past` gives a reason.

    Raises
    ------
    CheckpointError
        If the file is damaged or doesn't fit.
    """
    if why_no_past(run):
        return ()
    path = run.opened.folder / HISTORY
    batches = run.holding(row)
    last = run.net.means()
    try:
        kept = by_epoch(load_file(path))
        return tuple(_past(run, row, batches, epoch, state) for epoch, state in kept.items())
    except (OSError, RuntimeError, ValueError, LookupError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            str(path), f"can't be read ({reason})", "delete it to do without values over training"
        ) from error
    finally:
        run.net.load_means(last)


def _past(
    run: ValuedRun, row: int, batches: list[Tensor], epoch: int, state: dict[str, Tensor]
) -> Past:
    policy = SelectionPolicy(run.config.policy)
    policy.load({name: float(value) for name, value in under("policy", state).items()})
    run.net.load_means(under("means", state))
    found = []
    for rows in batches:
        values = run.net.value(run.inputs[rows], len(rows)).values
        own = values[rows == row]
        odds = policy.probabilities(values)[rows == row]
        found.append(torch.cat([own, odds, (values < own).to(own).mean()[None]]))
    value, odds, lower = torch.stack(found).double().mean(0).tolist()
    return Past(epoch, value, odds, lower)
