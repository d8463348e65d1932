"""A weighting from outside the package: keeps triplets by a fixed score, or drops planted ones.

The control that DVR has to beat: the same mapping from score to probability, the same redrawing
of masks, nothing learned. Named ``benchmarks.fixed_score:FixedScore`` in a config.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.features import loss_features
from dvr_ray.seeding import generator
from dvr_ray.weightings import Horizon, Weighting, WeightingParts


class FixedScoreParams(Strict):
    """Fields of ``method``."""

    score: Literal["mean of features", "mean loss", "planted"] = "mean loss"
    sharpness: float = Field(4.0, gt=0, description="Factor on the standardised score.")
    warmup: int = Field(20, ge=1, description="Epochs that keep all, as for DVR.")


class FixedScore(Weighting):
    """Keep row i with probability ``sigmoid(sharpness z_i + 1)``, z the standardised score."""

    Params = FixedScoreParams

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        self._kept = torch.ones(len(parts.data.train), dtype=torch.bool)
        self._odds: Tensor | None = None

    def begin(self, horizon: Horizon) -> None:
        """Draw a new mask once the warm-up is over."""
        params = self.parts.params
        if params.score == "planted":
            self._kept = torch.from_numpy(~self.parts.data.planted)
        elif horizon.number >= params.warmup:
            if self._odds is None:
                score = self._score(horizon)
                z = (score - score.mean()) / score.std()
                self._odds = torch.sigmoid(params.sharpness * z + 1).clamp(0.05, 0.95)
            draws = generator(self.parts.config.seed, "fixed score", horizon.number)
            self._kept = torch.rand(len(self._odds), generator=draws) < self._odds

    def select(self, replica: int, rows: Tensor) -> Tensor:
        """Tell which rows are kept."""
        return self._kept[rows]

    def _score(self, horizon: Horizon) -> Tensor:
        data = self.parts.data
        losses = loss_features(data.train, horizon.losses.double().numpy())[:, :1]
        if self.parts.params.score == "mean loss":
            return torch.from_numpy(losses[:, 0])
        six = [data.features["agreement"], data.features["neighbourhood"], losses]
        return torch.cat([torch.from_numpy(block) for block in six], dim=1).mean(1)
