"""How well the values of a run tell planted rows from real ones, and whether to trust them.

The value is judged beside two scores that cost nothing: the mean of six features that say how well
a row agrees with the user's other rows and with the neighbourhood (agreement, neighbourhood, minus
the mean loss), and minus the mean loss alone. On incoherent noise they are known to do as well as
learned values or better; on a coherent attack they may point the wrong way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dvr_ray.data.features import gauss_rank
from dvr_ray.errors import RunError
from dvr_ray.metrics import parse
from dvr_ray.metrics.auc_interval import Estimate, Rows, auc_difference, auc_interval
from dvr_ray.registry import canonical
from dvr_ray.reports.results import RunResults

__all__ = [
    "LOWEST",
    "NOT",
    "TRUSTED",
    "VALUE",
    "WRONG",
    "Judgement",
    "Score",
    "Selected",
    "judge",
    "scores_of",
    "verdict",
]

TRUSTED, NOT, WRONG = "trusted", "not trusted", "wrong way"
VALUE = "value"
SIX = "mean of six features"
FAMILIES = ("feature.agreement.", "feature.neighbourhood.")
LOWEST = 0.1
"""Share of the rows, from the lowest value on, in which planted ones are counted."""


@dataclass(frozen=True)
class Score:
    """The AUC of one score, real against planted rows."""

    name: str
    auc: Estimate


@dataclass(frozen=True)
class Selected:
    """What selecting rows by value did to a metric on validation-selection.

    Parameters
    ----------
    metric : str
        The one that decides.
    keep_all, valued : float
        The best report of the model trained on every row, and of the one trained on selected rows.
    kept, compared : int
        In how many reports the gate adopted keep-all, and how many it compared.
    """

    metric: str
    keep_all: float
    valued: float
    kept: int
    compared: int


@dataclass(frozen=True)
class Judgement:
    """What the planted rows of one kind say about the values.

    Parameters
    ----------
    kind : str
        Of noise.
    real, planted : int
        Training rows.
    scores : tuple of Score
        The value first, then its rivals.
    lead : Estimate
        AUC of the value minus that of the best rival.
    lowest_planted : float
        Share of planted rows among the lowest tenth by value.
    lowest_found : float
        Share of the planted rows that lie in it.
    selected : Selected or None
        None without a gate.
    warnings : tuple of str
        What the training warned of.
    """

    kind: str
    real: int
    planted: int
    scores: tuple[Score, ...]
    lead: Estimate
    lowest_planted: float
    lowest_found: float
    selected: Selected | None
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """trusted, not trusted or wrong way."""
        return verdict(self.scores[0].auc)

    @property
    def rival(self) -> Score:
        """The best of the scores that cost nothing."""
        return max(self.scores[1:], key=lambda score: score.auc.value)

    @property
    def best(self) -> Score:
        """The score that separates best on this log."""
        return max(self.scores, key=lambda score: score.auc.value)


def verdict(auc: Estimate) -> str:
    """Say what an AUC allows: ``trusted``, ``not trusted`` (it covers .5) or ``wrong way``."""
    if auc.low > 0.5:
        return TRUSTED
    return WRONG if auc.high < 0.5 else NOT


def judge(run: RunResults, kind: str) -> Judgement:
    """Judge a finished run in which one kind of noise was planted.

    Parameters
    ----------
    run : RunResults
        With its table of values.
    kind : str
        Of noise.

    Returns
    -------
    Judgement
        AUCs, their intervals, and what selection did.

    Raises
    ------
    RunError
        If the method valued nothing, or a value isn't finite.
    """
    values = run.values
    if values is None or not np.isfinite(values["value"]).all():
        what = "valued nothing" if values is None else "gave values that aren't finite"
        raise RunError(str(run.folder), f"the method {what}", "use method.name dvr")
    planted = values["planted"].to_numpy(dtype=bool)
    users, items = (pd.factorize(values[name])[0] for name in ("user", "item"))
    rows = Rows(~planted, users, items)
    scores = scores_of(values)
    found = tuple(Score(name, auc_interval(score, rows)) for name, score in scores.items())
    rival = max(found[1:], key=lambda score: score.auc.value).name
    order = np.argsort(scores[VALUE], kind="stable")
    lowest = planted[order[: max(round(LOWEST * len(order)), 1)]]
    return Judgement(
        kind=kind,
        real=int((~planted).sum()),
        planted=int(planted.sum()),
        scores=found,
        lead=auc_difference(scores[VALUE], scores[rival], rows),
        lowest_planted=float(lowest.mean()),
        lowest_found=float(lowest.sum() / planted.sum()),
        selected=_selected(run),
        warnings=tuple(warning for report in run.reports for warning in report.warnings),
    )


def scores_of(values: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the value and its rivals by name, shape (n,) each; low is suspect."""
    found = {VALUE: values["value"].to_numpy(dtype=float)}
    loss = -values["mean_loss"].to_numpy(dtype=float)
    names = [name for name in values if name.startswith(FAMILIES)]
    if all(any(name.startswith(family) for name in names) for family in FAMILIES):
        columns = [values[names].to_numpy(dtype=float), gauss_rank(loss[:, None])]
        found[SIX] = np.concatenate(columns, axis=1).mean(axis=1)
    return found | {"mean loss": loss}


def _selected(run: RunResults) -> Selected | None:
    training = run.config.get("training", {})
    metric = canonical(training["metric"])
    compared = [report for report in run.reports if report.adopted]
    if not compared:
        return None
    best = max if parse(metric).higher_is_better else min
    return Selected(
        metric,
        best(report.keep_all[metric] for report in compared),
        best(report.valued[metric] for report in compared),
        sum(report.adopted == "keep-all" for report in compared),
        len(compared),
    )
