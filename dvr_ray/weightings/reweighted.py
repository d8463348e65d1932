"""Reweighted loss (RCE-BPR): triplets that the model ranks wrongly count less.

    w_uij = sigma(x_uij)^beta = exp(-beta l_uij),   no gradient through w

Source: R-CE of Wang et al., "Denoising implicit feedback for recommendation", WSDM 2021, eq. 6.
There w = yhat^beta of a positive's predicted probability; here, as in the papers that compare with
it under the name RCE-BPR, of the probability sigma(x_uij) that the pair is ranked right. For one
negative sigma(x) = exp(-l) exactly; for n negatives exp(-beta l) defines w by the row's loss l, the
mean over its negatives: the geometric mean of their weights.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.weightings.weighting import WEIGHTINGS, TripletBatch, Weighting

__all__ = ["Reweighted"]


class ReweightedParams(Strict):
    """Fields of ``method: {name: rce}``."""

    beta: float = Field(0.2, ge=0, le=10, description="Exponent; 0 is plain BPR.")


@WEIGHTINGS.add("rce")
class Reweighted(Weighting):
    """Weigh every triplet by the model's own belief in it, to the power beta (RCE-BPR)."""

    Params = ReweightedParams

    def weigh(self, replica: int, triplets: TripletBatch) -> Tensor:
        """Weigh by exp(-beta loss)."""
        beta: float = self.parts.params.beta
        return (-beta * triplets.losses.detach()).exp()
