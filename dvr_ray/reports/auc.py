"""How well each score tells planted rows from real ones, beside the plain baselines.

A real row is positive and the score is the value as it is, so an AUC above .5 means that planted
rows got lower values. The baselines: minus the mean loss (a row that the model finds hard is
suspect), every input feature alone, and the mean of all features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dvr_ray.reports.summary import short

__all__ = ["Separation", "separations"]

FEATURE = "feature."


@dataclass(frozen=True)
class Separation:
    """The ROC of one score.

    Parameters
    ----------
    name : str
        Of the score.
    auc : float
        0 to 1, ties counting one half.
    half_width : float
        Half width of the 95% band around .5 in which the AUC of random scores lies.
    false_rate, true_rate : ndarray, shape (p,)
        Points of the curve from (0, 0) to (1, 1).
    """

    name: str
    auc: float
    half_width: float
    false_rate: np.ndarray
    true_rate: np.ndarray

    @property
    def at_chance(self) -> bool:
        """Whether random scores would do as well."""
        return abs(self.auc - 0.5) <= self.half_width

    @property
    def described(self) -> str:
        """``.91``, or ``chance (.49 ± .02)``."""
        if self.at_chance:
            return f"chance ({short(self.auc)} ± {short(self.half_width)})"
        return short(self.auc)


def separations(values: pd.DataFrame) -> list[Separation]:
    """Measure every score of a table of values.

    Parameters
    ----------
    values : DataFrame
        Columns ``value`` and ``planted``; ``mean_loss`` and ``feature.*`` where there are.

    Returns
    -------
    list of Separation
        The value first, then mean loss, mean of features and each feature; none where all rows
        are of one kind. A score that isn't finite everywhere is left out.
    """
    # The package of metrics brings torch along, so only reports on planted noise wait for it.
    from dvr_ray.metrics.auc import chance_half_width, roc_auc, roc_curve

    real = ~values["planted"].to_numpy(dtype=bool)
    positives, negatives = int(real.sum()), int((~real).sum())
    if not positives or not negatives:
        return []
    width = chance_half_width(positives, negatives)
    return [
        Separation(name, roc_auc(score, real), width, *roc_curve(score, real))
        for name, score in _scores(values)
        if np.isfinite(score).all()
    ]


def _scores(values: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield one score at a time, so that only one is copied to float64."""
    features = [name for name in values if name.startswith(FEATURE)]
    yield "value", values["value"].to_numpy(dtype=float)
    if "mean_loss" in values:
        yield "mean loss", -values["mean_loss"].to_numpy(dtype=float)
    if features:
        total = np.zeros(len(values))
        for name in features:
            total += values[name].to_numpy(dtype=float)
        yield "mean of features", total / len(features)
    for column, name in _feature_names(features).items():
        yield name, values[column].to_numpy(dtype=float)


def _feature_names(columns: list[str]) -> dict[str, str]:
    """``feature.loss.0`` is called loss where the family has no second column."""
    families = [column.removeprefix(FEATURE).rpartition(".")[0] for column in columns]
    return {
        column: family if family and families.count(family) == 1 else column.removeprefix(FEATURE)
        for column, family in zip(columns, families, strict=True)
    }
