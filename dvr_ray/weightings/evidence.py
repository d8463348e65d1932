"""Penalties on a horizon's values, chosen by what its masks say of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dvr_ray.seeding import generator
from dvr_ray.weightings.shrinkage import Pulls, held_out
from dvr_ray.weightings.valuing import ValuingNet
from dvr_ray.weightings.weighting import WeightingParts

__all__ = ["BLOCK", "chosen_ridge"]

BLOCK = 1 << 16
"""Rows whose inputs are multiplied out at once."""
COLUMNS = 512
"""Penalties are chosen on so many columns: the time grows with their cube."""
ROWS = 1 << 18
"""And on so many rows, in random order: a held-out correlation is then known to .002."""


def chosen_ridge(
    parts: WeightingParts, net: ValuingNet, rows: Tensor, inputs: Tensor
) -> tuple[Tensor, dict[str, Any]]:
    """Return the penalties of singletons and of units, and monitors of the choice.

    Parameters
    ----------
    parts : WeightingParts
        Its adapter has observed the rewards of the horizon.
    net : ValuingNet
        Whose design values are linear in.
    rows : Tensor, shape (r,)
        The horizon's rows.
    inputs : Tensor, shape (r, c)
        Their inputs.

    Returns
    -------
    Tensor, shape (2,)
        As ``valuator.ridge`` says, or with ``auto`` what predicts held-out masks and users best.
    dict
        Monitors; none where nothing was chosen.
    """
    wanted = parts.config.valuator.ridge
    if wanted != "auto":
        return torch.full((2,), wanted), {}
    found = held_out(_pulls(parts, net, rows, inputs), min(net.encoder.size, COLUMNS))
    monitors = {
        "ridge": list(found.ridge),
        "held_out_correlation": found.correlation,
        "held_out_without_units": found.without_units,
        "gradient_signal": found.signal,
    }
    return torch.tensor(found.ridge), monitors


def _pulls(parts: WeightingParts, net: ValuingNet, rows: Tensor, inputs: Tensor) -> Iterator[Pulls]:
    """What the masks say of the horizon's rows, in blocks."""
    data = parts.data.train
    numbers = generator(parts.config.seed, "held-out users")
    half = torch.rand(data.num_users, generator=numbers) < 0.5
    users = torch.from_numpy(data.users)
    for part in torch.split(torch.arange(len(rows))[:ROWS], BLOCK):
        design = net.design(inputs[part])[:, :COLUMNS]
        halves, fisher = parts.adapter.evidence(rows[part])
        yield Pulls(design, halves, fisher, half[users[rows[part]]])
