"""Group-balanced sampling: every group of users weighs as much as every other.

    w_u = (n / (G n_g))^strength

for a row of a user u in group g: n_g training rows of users in g, G groups with rows, n their rows
together. At strength 1 each group has the same total weight n / G, and the mean weight is 1, as if
rows were drawn group by group; at 0 it is plain BPR. Users whose group isn't known weigh 1. It is
the control for rewards of fairness. Weights aren't draws, so that no row is lost to chance.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.attributes import ATTRIBUTES, group_numbers
from dvr_ray.weightings.weighting import WEIGHTINGS, TripletBatch, Weighting, WeightingParts

__all__ = ["Balanced", "balanced_weights"]


class BalancedParams(Strict):
    """Fields of ``method: {name: balanced}``."""

    by: Literal["gender", "age"] = Field("gender", description="What groups the users.")
    strength: float = Field(1.0, ge=0, le=1, description="0 is plain BPR, 1 weighs groups alike.")


@WEIGHTINGS.add("balanced")
class Balanced(Weighting):
    """Weigh rows so that groups of users count alike: a control for rewards of fairness."""

    Params = BalancedParams

    @classmethod
    def needs(cls, params: Any) -> tuple[str, ...]:
        """The users' groups."""
        return (params.by,)

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        params: BalancedParams = parts.params
        groups = group_numbers(parts.data.user_table[ATTRIBUTES[params.by]])
        rows = torch.from_numpy(groups[parts.data.train.users])
        self._weights = balanced_weights(rows, params.strength)

    def weigh(self, replica: int, triplets: TripletBatch) -> Tensor:
        """Weigh by the user's group."""
        return self._weights[triplets.rows].to(triplets.losses)


def balanced_weights(groups: Tensor, strength: float) -> Tensor:
    """Return the weight of every row.

    Parameters
    ----------
    groups : Tensor of int64, shape (n,)
        Group of each row's user; -1 where it isn't known.
    strength : float
        0 to 1.

    Returns
    -------
    Tensor, shape (n,), float64
    """
    weights = torch.ones(len(groups), dtype=torch.float64)
    known = groups >= 0
    counts = groups[known].bincount()
    # Groups without rows divide by nothing, and are read by no row.
    shares = counts.sum() / ((counts > 0).sum() * counts.clamp_min(1))
    weights[known] = (shares.double() ** strength)[groups[known]]
    return weights
