"""A score that nobody learned: the controls that DVR has to beat.

The same mapping from score to probability as DVR's, the same redrawing of masks, nothing learned:
row i is kept with probability ``sigmoid(sharpness z_i + offset)``, z the standardised score. With
``planted`` the rows that were planted are dropped: an oracle, which shows what could be won; with
``supervised`` the score is that of a selector which learned the labels of other users' rows: the
AUC that a valuator of the same inputs is measured against.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.features import loss_features
from dvr_ray.errors import ConfigError
from dvr_ray.seeding import generator
from dvr_ray.weightings.inputs import EncoderInputs
from dvr_ray.weightings.supervised import supervised_scores
from dvr_ray.weightings.weighting import WEIGHTINGS, Horizon, Weighting, WeightingParts

__all__ = ["FixedScore"]

BOUNDS = (0.05, 0.95)


class FixedScoreParams(Strict):
    """Fields of ``method: {name: fixed-score, ...}``."""

    score: Literal["features", "loss", "planted", "supervised"] = Field(
        "features",
        description="features: the plain mean of agreement, neighbourhood and minus mean loss; "
        "loss: minus mean loss; planted: drop what was planted, an oracle; supervised: log-odds of "
        "being real by a selector that learned the labels of other users' rows, a ceiling.",
    )
    sharpness: float = Field(4.0, gt=0, le=100, description="Factor on the standardised score.")
    offset: float = Field(1.0, ge=-10, le=10, description="Added to it.")


@WEIGHTINGS.add("fixed-score")
class FixedScore(Weighting):
    """Keeps rows by a fixed score, after the warm-up.

    Raises
    ------
    ConfigError
        If nothing was planted that could be dropped or learned, or a feature that is averaged isn't
        there.
    DataError
        If there are too few users to learn from others'.
    """

    Params = FixedScoreParams

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        place = "run: method.score"
        planted = parts.data.planted
        self._planted = torch.zeros(0) if planted is None else torch.from_numpy(planted)
        score = parts.params.score
        if score in ("planted", "supervised") and not self._planted.any():
            raise ConfigError(place, f"{score} needs planted rows, got none", "set data.noise.kind")
        missing = {"agreement", "neighbourhood"} - set(parts.data.features)
        if score == "features" and missing:
            first = sorted(missing)[0]
            rule = f"features needs the feature {first!r}, got {', '.join(parts.data.features)}"
            raise ConfigError(place, rule, "add it to encoder.features")
        self._kept = torch.ones(len(parts.data.train), dtype=torch.bool)
        self._score: Tensor | None = None

    def begin(self, horizon: Horizon) -> None:
        """Draw a new mask once the warm-up is over."""
        if self.parts.params.score == "planted":
            self._kept = ~self._planted
        elif horizon.number >= self.parts.config.training.warmup:
            if self._score is None:
                self._score = self._scored(horizon)
            draws = generator(self.parts.config.seed, "fixed score", horizon.number)
            odds = self._odds(self._score)
            self._kept = torch.rand(len(odds), generator=draws, dtype=odds.dtype) < odds

    def select(self, replica: int, rows: Tensor) -> Tensor:
        """Tell which rows are kept."""
        return self._kept[rows]

    def values(self, horizon: Horizon) -> tuple[Tensor, Tensor] | None:
        """Return the score and the probabilities."""
        return None if self._score is None else (self._score, self._odds(self._score))

    def tensors(self) -> dict[str, Tensor]:
        """The score, once it is fixed."""
        return {} if self._score is None else {"score": self._score}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore the score."""
        self._score = state.get("score")

    def _odds(self, score: Tensor) -> Tensor:
        params = self.parts.params
        z = (score - score.mean()) / score.std().clamp_min(1e-12)
        return torch.sigmoid(params.sharpness * z + params.offset).clamp(*BOUNDS)

    def _scored(self, horizon: Horizon) -> Tensor:
        data = self.parts.data
        if self.parts.params.score == "supervised":
            return self._supervised(horizon)
        losses = loss_features(data.train, horizon.losses.double().cpu().numpy())[:, :1]
        if self.parts.params.score == "loss":
            return torch.from_numpy(losses[:, 0]).double()
        six = [data.features["agreement"], data.features["neighbourhood"], losses]
        # Summed without a copy in float64, which at 25 million rows takes a gigabyte.
        sums = [torch.from_numpy(block).sum(1, dtype=torch.float64) for block in six]
        mean: Tensor = torch.stack(sums).sum(0) / sum(block.shape[1] for block in six)
        return mean

    def _supervised(self, horizon: Horizon) -> Tensor:
        data, config = self.parts.data, self.parts.config
        encoder = config.encoder
        inputs = EncoderInputs(data, encoder.features, torch.float32, squares=encoder.squares)
        inputs.prepare(horizon.losses)
        every = torch.arange(len(data.train))
        users = torch.from_numpy(data.train.users)
        return supervised_scores(inputs(every, horizon), self._planted, users, seed=config.seed)
