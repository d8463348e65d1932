"""How strongly to shrink the values: penalties that predict held-out masks and users best.

Values must predict what wasn't used to learn them. Masks and users are halved; a linear valuator
of inputs and memberships is fitted on one half of the masks and of the users, with one penalty for
the inputs and one at least as large for the memberships, and its values phi are compared with the
pull N of the other masks on the rows of the other users. The score is ``t |t| / sum D phi^2`` with
``t = sum phi N``: the credit that the values explain at their best scale, since the policy divides
values by their sd. It is signed, added up over the four ways of taking halves, and needs no labels.
Everything follows from second moments of the inputs, so that one pass over the rows is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PENALTIES", "STRONGEST", "HeldOut", "Pulls", "held_out"]

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
ENOUGH = 0.95
"""Share of the most credit that must be explained."""
STRONGEST = 100.0
"""At this penalty a membership says next to nothing."""


@dataclass(frozen=True)
class Pulls:
    """What two halves of the masks say of b rows.

    Parameters
    ----------
    design : Tensor, shape (b, c), float64
        What values are linear in.
    halves : Tensor, shape (2, b)
        Pull N of each half of the masks.
    fisher : Tensor, shape (b,)
        Variance D of a row's selection.
    side : Tensor of bool, shape (b,)
        Which half of the users the row belongs to.
    """

    design: Tensor
    halves: Tensor
    fisher: Tensor
    side: Tensor


@dataclass(frozen=True)
class HeldOut:
    """The choice.

    Parameters
    ----------
    ridge : tuple of float
        Penalties of inputs and of memberships, in units of the mean square of an input: 1 halves
        what one says.
    correlation : float
        Between values and pull on held-out masks and users, weighted by D, -1 to 1. Single rows are
        noisy, so even good values have a small one.
    without_units : float
        The same for the best values of inputs alone.
    signal : float
        Squared length of the policy gradient in the space of inputs over the variance of its
        estimate, by the two halves of the masks: 1 is as large as its error, about 0 is noise.
    """

    ridge: tuple[float, float]
    correlation: float
    without_units: float
    signal: float


def held_out(parts: Iterable[Pulls], inputs: int) -> HeldOut:
    """Choose the penalties.

    Parameters
    ----------
    parts : iterable of Pulls
        All rows, in blocks.
    inputs : int
        Number of the design's leading columns that are inputs; the rest are memberships.

    Returns
    -------
    HeldOut
        The strongest penalties that explain 95% of what the best do.
    """
    gram, pull, energy = _moments(parts)
    members = gram.shape[-1] - inputs
    strong = PENALTIES[::-1]
    grid = [(own, units) for own in strong for units in (STRONGEST, *strong) if units >= own]
    strength = torch.tensor(grid, dtype=gram.dtype)
    widths = torch.tensor([inputs, members])
    explained = _explained(gram, pull, strength.repeat_interleave(widths, dim=1))
    # Held-out credit is noisy: of penalties that explain nearly as much, the strongest.
    good = explained >= explained.max() - (1 - ENOUGH) * explained.max().abs()
    best = int(torch.where(good, strength.log().sum(1), -torch.inf).argmax())
    alone = _explained(
        gram[:, :inputs, :inputs], pull[:, :, :inputs], strength[:, :1].expand(-1, inputs)
    )
    shares = torch.stack([explained[best], alone.max()]) / energy.clamp_min(1e-30)
    correlation, without_units = (shares.abs().sqrt() * shares.sign()).tolist()
    return HeldOut(grid[best], correlation, without_units, _signal(pull[:, :, :inputs].sum(0)))


def _signal(halves: Tensor) -> float:
    """Signal to noise of the mean of two estimates, (2, c), that share nothing but the signal."""
    noise = (halves[0] - halves[1]).square().sum() / 4
    return float((halves[0] * halves[1]).sum() / noise.clamp_min(1e-30))


def _explained(gram: Tensor, pull: Tensor, strength: Tensor) -> Tensor:
    """Credit explained on the other halves by every row of penalties, (p, c) to (p,)."""
    explained = strength.new_zeros(len(strength))
    for side in (0, 1):
        # Columns have a mean square of about 1, so this is the sum of D.
        scale = gram[side].diagonal().mean().clamp_min(1e-30)
        slopes = torch.linalg.solve(gram[side] + torch.diag_embed(scale * strength), pull[side].T)
        told = (slopes * pull[1 - side].flip(0).T).sum(1)
        spread = torch.einsum("pch,cd,pdh->ph", slopes, gram[1 - side], slopes)
        explained += (told * told.abs() / spread.clamp_min(1e-30)).sum(1)
    return explained


def _moments(parts: Iterable[Pulls]) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over rows: (2, c, c) of D x x', (2, 2, c) of N x, by users and masks; N^2 / D, twice."""
    gram = pull = energy = torch.zeros((), dtype=torch.float64)
    for part in parts:
        halves, fisher = part.halves.double(), part.fisher.double()
        for_side = torch.stack([~part.side, part.side]).to(fisher)
        weighted = part.design.T * (fisher * for_side)[:, None]
        gram = gram + weighted @ part.design
        pull = pull + torch.einsum("sr,hr,rc->shc", for_side, halves, part.design)
        energy = energy + (halves.square() / fisher.clamp_min(1e-12)).sum()
    return gram, pull, energy
