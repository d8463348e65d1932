"""A batch's values taken apart: what each sample says alone, and the dividend of every unit.

``B phi_b = a(e_b) + sum over u with b in R_u of d_u / |R_u|``, as `dvr_ray.valuation.harsanyi` has
it. Written for looking at a few batches: memory O(L B H), no gradient, one process.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dvr_ray.valuation.harsanyi import HarsanyiValuator

__all__ = ["Dividends", "dividends"]


@dataclass(frozen=True)
class Dividends:
    """One batch of B samples under L layers of H units.

    Parameters
    ----------
    alone : Tensor, shape (B,)
        What each sample says alone, a(e_b).
    units : Tensor, shape (L, H)
        Harsanyi dividend d_u of every unit, times B.
    fields : Tensor of bool, shape (L, B, H)
        Which samples are in each unit's receptive field R_u.
    """

    alone: Tensor
    units: Tensor
    fields: Tensor

    @property
    def sizes(self) -> Tensor:
        """Samples in each field, shape (L, H)."""
        return self.fields.sum(1)

    @property
    def shares(self) -> Tensor:
        """What a unit pays to each sample in its field, shape (L, H)."""
        return self.units / self.sizes.clamp_min(1)

    @property
    def values(self) -> Tensor:
        """``B * shapley`` of every sample, shape (B,)."""
        return self.alone + torch.einsum("lbh,lh->b", self.fields.to(self.shares), self.shares)


@torch.no_grad()
def dividends(valuator: HarsanyiValuator, encodings: Tensor) -> Dividends:
    """Take a whole batch apart.

    Parameters
    ----------
    valuator : HarsanyiValuator
        With memberships by content or by place.
    encodings : Tensor, shape (B, h)
        The batch.

    Returns
    -------
    Dividends
        Its `values` are those of the valuator, rounding apart.
    """
    scores, said = valuator.scored(encodings)
    fields = [scores > valuator.thresholds]
    for logits in valuator.child_logits:
        linked = (logits > 0).to(encodings)
        fields.append(fields[-1].to(encodings) @ linked.T > 0)
    sizes = torch.stack([field.sum(0) for field in fields]).to(encodings)
    outputs = valuator.outputs((fields[0] * said).sum(0), sizes)
    return Dividends(encodings @ valuator.singletons, valuator.heads * outputs, torch.stack(fields))
