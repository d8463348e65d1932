"""Recall@K = |L n T| / |T|, the share of a user's held-out items T in the top-K list L."""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.metric import METRICS, Metric

__all__ = ["Recall"]


@METRICS.add("recall")
class Recall(Metric):
    """Recall with all held-out items in the denominator, also when there are more than K."""

    higher_is_better = True

    def per_user(self, hits: Tensor, relevant: Tensor) -> Tensor:
        """Count hits and divide; shapes as in `Metric.per_user`."""
        found = hits[:, : self.cutoff].sum(1).double()
        return found / relevant.double().where(relevant > 0, torch.nan)
