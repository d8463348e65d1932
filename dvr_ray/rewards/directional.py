"""Directional masks: antithetic random directions, evolution strategies on the policy.

Mask k keeps row i with probability ``sigmoid(.95 + 1.5 x_i . w_k / sd)``; x_i are the row's inputs,
or all that the valuator's values are linear in, w_k is a random direction of its weights, and masks
come in pairs w, -w. The total metric is regressed (ridge, penalty chosen by leave-one-pair-out) on
``z_k = sum_i (s_ki - mean_k s_i) x_i``; the fitted slope, applied to x_i, is the row's estimated
marginal value. A direction moves the batch by O(n), independent masks only by O(sqrt n): this is
why one scalar reward carries here.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["DirectionalHistory", "directional_probabilities"]

BASE, REACH = 0.95, 1.5
PENALTIES = tuple(10.0**power for power in range(-3, 4))


def directional_probabilities(inputs: Tensor, masks: int, generator: torch.Generator) -> Tensor:
    """Probabilities of keeping rows under antithetic random directions.

    Parameters
    ----------
    inputs : Tensor, shape (n, c)
        Features of the rows.
    masks : int
        Even number K of masks.
    generator : torch.Generator
        Draws the directions.

    Returns
    -------
    Tensor, shape (K, n)
        Row 2p + 1 is the antithetic partner of row 2p.
    """
    directions = torch.randn(
        inputs.shape[1], masks // 2, generator=generator, dtype=torch.float64
    ).to(inputs)
    reach = inputs @ directions
    reach = REACH * reach / reach.std(0).clamp_min(1e-12)
    paired = torch.stack([reach, -reach], dim=2).reshape(len(inputs), masks)
    return torch.sigmoid(BASE + paired).T.contiguous()


class DirectionalHistory:
    """Past masks' projections and totals, and the slope that explains them.

    Parameters
    ----------
    limit : int
        Number of latest masks that are remembered.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._projections = torch.zeros(0, 0, dtype=torch.float64)
        self._totals = torch.zeros(0, dtype=torch.float64)

    def add(self, selected: Tensor, inputs: Tensor, totals: Tensor) -> None:
        """Remember one round.

        Parameters
        ----------
        selected : Tensor, shape (K, n)
            The masks, as floats.
        inputs : Tensor, shape (n, c)
            Features.
        totals : Tensor, shape (K,)
            Total metric under each mask; only differences within the round are used.
        """
        moved = (selected - selected.mean(0)).double() @ inputs.double() / len(inputs)
        kept = self._projections if self._projections.numel() else moved[:0]
        self._projections = torch.cat([kept, moved])[-self._limit :]
        centred = totals.double() - totals.double().mean()
        self._totals = torch.cat([self._totals, centred])[-self._limit :]

    def slope(self) -> tuple[Tensor, float]:
        """Ridge slope of total metric on projection.

        Returns
        -------
        Tensor, shape (c,), float64, and float
            The slope at the penalty that predicts left-out pairs best, and its R2 there: 1 minus
            their squared error over their squared totals. It says whether directions explain the
            metric, not whether values find noise.
        """
        scale = self._projections.std(0).clamp_min(1e-12)
        z = self._projections / scale
        errors = torch.stack([self._left_out_error(z, penalty) for penalty in PENALTIES])
        best = int(errors.argmin())
        explained = 1 - float(errors[best] / self._totals.square().sum().clamp_min(1e-30))
        return _ridge(z, self._totals, PENALTIES[best]) / scale, explained

    def _left_out_error(self, z: Tensor, penalty: float) -> Tensor:
        """Leave-one-pair-out squared error; pairs are independent given the slope."""
        total = z.new_zeros(())
        for start in range(0, len(z), 2):
            pair = slice(start, start + 2)
            rest = torch.ones(len(z), dtype=torch.bool)
            rest[pair] = False
            fitted = z[pair] @ _ridge(z[rest], self._totals[rest], penalty)
            total = total + (fitted - self._totals[pair]).square().sum()
        return total

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        return {"projections": self._projections, "totals": self._totals}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self._projections, self._totals = state["projections"], state["totals"]


def _ridge(z: Tensor, y: Tensor, penalty: float) -> Tensor:
    gram = z.T @ z + penalty * max(len(z), 1) * torch.eye(z.shape[1], dtype=z.dtype)
    slope: Tensor = torch.linalg.solve(gram, z.T @ y)
    return slope
