"""A score that nobody learned: the controls that DVR has to beat.

The same mapping from score to probability as DVR's, ``policy`` of the run, and the same redrawing
of masks; nothing is learned. The score is standardised over all training rows, in the place of
values over their sd: row i is kept with probability ``sigmoid(z_i / temperature + offset)``, or at
a fixed keep-rate with ``policy.normalisation: centred``. A single feature as score, such as
``-skew.0``, is the rule that a person would write. With ``planted`` the rows that were planted are
dropped: an oracle, which shows what could be won; with ``supervised`` the score is that of a
selector which learned the labels of other users' rows: the AUC that a valuator of the same inputs
is measured against.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from dvr_ray.config.schema import RunConfig, Strict
from dvr_ray.data.features import FEATURES
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import ConfigError
from dvr_ray.seeding import generator
from dvr_ray.valuation import SelectionPolicy
from dvr_ray.valuation.policy import draw
from dvr_ray.weightings.inputs import EncoderInputs, family_columns
from dvr_ray.weightings.supervised import supervised_scores
from dvr_ray.weightings.weighting import WEIGHTINGS, Horizon, Weighting, WeightingParts

__all__ = ["FixedScore", "plain_mean"]

COLUMN = re.compile(r"(-?)(.+)\.(\d+)")
"""Direction, family and number of a column."""


class FixedScoreParams(Strict):
    """Fields of ``method: {name: fixed-score, ...}``."""

    score: str = Field(
        "features",
        description="features: the plain mean of agreement, neighbourhood and minus mean loss; "
        "loss: minus mean loss; a column of encoder.features by family and number: skew.0 keeps "
        "where it is high, -skew.0 where it is low; planted: drop what was planted, an oracle; "
        "supervised: log-odds of being real by a selector that learned the labels of other users' "
        "rows, a ceiling.",
        json_schema_extra={"pattern": rf"^({COLUMN.pattern}|features|loss|planted|supervised)$"},
    )

    @field_validator("score")
    @classmethod
    def _known(cls, score: str) -> str:
        if score not in SCORES and not COLUMN.fullmatch(score):
            raise ValueError(f"must be {', '.join(SCORES)}, or a column, as skew.0 or -skew.0")
        return score


@WEIGHTINGS.add("fixed-score")
class FixedScore(Weighting):
    """Keeps rows by a fixed score, after the warm-up.

    Raises
    ------
    ConfigError
        If nothing was planted that could be dropped or learned.
    DataError
        If there are too few users to learn from others'.
    """

    Params = FixedScoreParams
    reads_features = True

    @classmethod
    def check(cls, params: Any, config: RunConfig, place: str) -> None:
        """Refuse columns that don't exist or aren't among ``encoder.features``."""
        place = f"{place}.score"
        known = config.encoder.features
        for family in _score(params.score, place).families:
            if family not in known:
                rule = f"{params.score} needs the feature {family!r}, got {', '.join(known)}"
                raise ConfigError(place, rule, "add it to encoder.features")

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        named = parts.params.score
        self._rule = _score(named, "run: method.score")
        self._policy = SelectionPolicy(parts.config.policy)
        self._score: Tensor | None = None
        self._odds: Tensor | None = None
        planted = parts.data.planted
        if self._rule.labelled and (planted is None or not planted.any()):
            rule = f"{named} needs planted rows, got none"
            raise ConfigError("run: method.score", rule, "set data.noise.kind")
        dropped = planted if named == "planted" else np.zeros(len(parts.data.train), dtype=bool)
        self._kept = ~torch.from_numpy(dropped)

    def begin(self, horizon: Horizon) -> None:
        """Draw a new mask once the warm-up is over."""
        config = self.parts.config
        if self._rule.of is None or horizon.number < config.training.warmup:
            return
        if self._odds is None:
            self._fix(self._rule.of(self.parts, horizon))
        assert self._odds is not None, "they go with the score"
        draws = generator(config.seed, "fixed score", horizon.number)
        self._kept = draw(self._odds, 1, draws)[0]

    def select(self, replica: int, rows: Tensor) -> Tensor:
        """Tell which rows are kept."""
        return self._kept[rows]

    def values(self, horizon: Horizon) -> tuple[Tensor, Tensor] | None:
        """Return the score and the probabilities."""
        if self._score is None or self._odds is None:
            return None
        return self._score, self._odds

    def tensors(self) -> dict[str, Tensor]:
        """The score, once it is fixed."""
        return {} if self._score is None else {"score": self._score}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore the score."""
        if "score" in state:
            self._fix(state["score"])

    def _fix(self, score: Tensor) -> None:
        z = (score - score.mean()) / score.std().clamp_min(1e-12)
        self._score, self._odds = score, self._policy.probabilities(z)


def _column(
    parts: WeightingParts, horizon: Horizon, family: str, number: int, sign: int = 1
) -> Tensor:
    columns = family_columns(parts.data, family, horizon.losses)
    return sign * torch.from_numpy(columns[:, number]).double()


def plain_mean(data: TrialData, losses: Tensor) -> Tensor:
    """Plain mean of agreement, neighbourhood and minus mean loss: six columns.

    Parameters
    ----------
    data : TrialData
        With the features ``agreement`` and ``neighbourhood``.
    losses : Tensor, shape (n,)
        Running mean BPR loss of every training row.

    Returns
    -------
    Tensor, shape (n,), float64
    """
    names = ("agreement", "neighbourhood", "loss")
    six = [family_columns(data, name, losses) for name in names]
    six[2] = six[2][:, :1]
    # Summed without a copy in float64, which at 25 million rows takes a gigabyte.
    sums = [torch.from_numpy(block).sum(1, dtype=torch.float64) for block in six]
    mean: Tensor = torch.stack(sums).sum(0) / sum(block.shape[1] for block in six)
    return mean


def _supervised(parts: WeightingParts, horizon: Horizon) -> Tensor:
    data, config = parts.data, parts.config
    encoder = config.encoder
    inputs = EncoderInputs(data, encoder.features, torch.float32, squares=encoder.squares)
    inputs.prepare(horizon.losses)
    every = torch.arange(len(data.train))
    planted, users = torch.from_numpy(data.planted), torch.from_numpy(data.train.users)
    return supervised_scores(inputs(every, horizon), planted, users, seed=config.seed)


@dataclass(frozen=True)
class _Score:
    """A score (n,) of a horizon's rows, families that must be features, whether labels are read.

    Without a score rows are dropped by label, from the start.
    """

    of: Callable[[WeightingParts, Horizon], Tensor] | None
    families: tuple[str, ...] = ()
    labelled: bool = False


SCORES = {
    "features": _Score(
        lambda parts, horizon: plain_mean(parts.data, horizon.losses),
        families=("agreement", "neighbourhood"),
    ),
    "loss": _Score(partial(_column, family="loss", number=0)),
    "planted": _Score(None, labelled=True),
    "supervised": _Score(_supervised, labelled=True),
}


def _score(named: str, place: str) -> _Score:
    """Return the score of a name, or of a column that must exist."""
    if named in SCORES:
        return SCORES[named]
    found = COLUMN.fullmatch(named)
    assert found, "fields are checked before"
    sign, family, number = -1 if found[1] else 1, found[2], int(found[3])
    columns = FEATURES.get(family, place).columns
    if number >= len(columns):
        rule = f"the feature {family!r} has {len(columns)} columns, numbered from 0, got {named!r}"
        raise ConfigError(place, rule, f"name one of {family}.0 to {family}.{len(columns) - 1}")
    return _Score(partial(_column, family=family, number=number, sign=sign), families=(family,))
