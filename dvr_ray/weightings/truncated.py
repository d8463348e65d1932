"""Truncated loss (TCE-BPR): the largest losses of a batch don't count.

    eps(T) = rate * min(T / gradual, 1),   T the step of the run
    loss of a batch = mean of the floor((1 - eps) B) smallest losses l_uij

Source: T-CE of Wang et al., "Denoising implicit feedback for recommendation", WSDM 2021, eq. 4.
There it drops positives by their cross-entropy; here, as in the papers that compare with it under
the name TCE-BPR, it drops triplets by their BPR loss (of n negatives: by the sampler's loss of the
row). Batches are those of all workers. The L2 term counts dropped triplets too.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.collective import concatenated
from dvr_ray.config.schema import Strict
from dvr_ray.weightings.weighting import WEIGHTINGS, TripletBatch, Weighting

__all__ = ["Truncated"]


class TruncatedParams(Strict):
    """Fields of ``method: {name: tce}``."""

    rate: float = Field(0.2, ge=0, lt=1, description="Share dropped in the end.")
    gradual: int = Field(30_000, ge=1, description="Steps over which the share grows from 0.")


@WEIGHTINGS.add("tce")
class Truncated(Weighting):
    """Train with the smallest losses of every batch; the share that is dropped grows (TCE-BPR)."""

    Params = TruncatedParams

    def weigh(self, replica: int, triplets: TripletBatch) -> Tensor:
        """Weigh the kept triplets by B / number kept, so that their mean is what trains."""
        losses = triplets.losses.detach().cpu().double()
        # As numbers of one type they go together; rows are whole up to 2^53.
        both = concatenated(torch.stack([triplets.rows.double(), losses], 1), self.parts.collective)
        count = self._remembered(triplets)
        kept = _smallest(both[:, 0].long(), both[:, 1], count)
        return torch.isin(triplets.rows, kept).to(triplets.losses) * (triplets.total / count)

    def _remembered(self, triplets: TripletBatch) -> int:
        params: TruncatedParams = self.parts.params
        share = 1.0 - params.rate * min(triplets.step / params.gradual, 1.0)
        # Binary rounding must not cost a triplet where the share of B is whole.
        return max(1, math.floor(share * triplets.total + 1e-9))


def _smallest(rows: Tensor, losses: Tensor, count: int) -> Tensor:
    """Return the rows of the ``count`` smallest losses; of equal ones the lower row comes first."""
    by_row = rows.argsort()
    by_loss = losses[by_row].argsort(stable=True)
    return rows[by_row[by_loss[:count]]]
