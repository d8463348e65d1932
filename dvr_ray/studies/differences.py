"""Which rows differ: paired tests over seeds, corrected for how many are made.

Every row is compared with the one that the study names, or of several with the one that is best on
validation-selection. The t-test is paired: by seeds, which set the data split or the weights alike
for both. Its p values are corrected by Holm's method over the rows of one group and metric (Holm,
"A simple sequentially rejective multiple test procedure", 1979). Where the corrected p is .05 or
more the two are tied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from scipy import stats

from dvr_ray.config.study import Study
from dvr_ray.metrics import parse
from dvr_ray.studies.cells import Cell

__all__ = ["LEVEL", "TEST", "Difference", "base_of", "by_group", "differences", "holm"]

RecordT = TypeVar("RecordT")
LEVEL = 0.05
TEST = "Paired t-test over seeds, two-sided, Holm over the rows of a group and metric"


@dataclass(frozen=True)
class Difference:
    """A row against the one compared with, in one metric on test.

    Parameters
    ----------
    group : tuple of str
        Entries of all axes but the last.
    row, base : str
        The two rows.
    metric : str
        What was measured.
    gaps : tuple of float
        Row minus base, seed by seed.
    relative : float
        Mean gap over the base's mean; NaN where that is 0.
    p, corrected : float
        Of the test, before and after the correction; NaN with one seed, or where all gaps are equal
        and not 0.
    """

    group: tuple[str, ...]
    row: str
    base: str
    metric: str
    gaps: tuple[float, ...]
    relative: float
    p: float
    corrected: float = float("nan")

    @property
    def mean(self) -> float:
        """Mean gap."""
        return float(np.mean(self.gaps))

    @property
    def sd(self) -> float:
        """Standard deviation of the gaps (n - 1); NaN with one seed."""
        return float(np.std(self.gaps, ddof=1)) if len(self.gaps) > 1 else float("nan")

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``tie``, or ``not tested``."""
        if np.isnan(self.corrected):
            return "not tested"
        if self.corrected >= LEVEL:
            return "tie"
        sign = 1 if parse(self.metric).higher_is_better else -1
        return "better" if sign * self.mean > 0 else "worse"


def base_of(study: Study, records: Mapping[Cell, Mapping[str, Any]]) -> str | None:
    """Return the row that others of a group are compared with.

    Parameters
    ----------
    study : Study
        Names one, or several of which the best on validation-selection is taken.
    records : mapping of Cell to dict
        The group's finished cells.
    """
    found: dict[str, list[float]] = {}
    metric = study.run.training.metric
    sign = 1 if parse(metric).higher_is_better else -1
    for cell, record in records.items():
        if cell.row in study.baselines:
            # Records of another stopping metric compare by the first that they have.
            own = record["selection"]
            found.setdefault(cell.row, []).append(own.get(metric, next(iter(own.values()))))
    return max(found, key=lambda row: sign * float(np.mean(found[row]))) if found else None


def by_group(records: Mapping[Cell, RecordT]) -> dict[tuple[str, ...], dict[Cell, RecordT]]:
    """Return the records of each group, in the order of the first cell of each.

    Parameters
    ----------
    records : mapping of Cell to record
        Of finished cells.

    Returns
    -------
    dict
        By group its records, by cell.
    """
    groups: dict[tuple[str, ...], dict[Cell, RecordT]] = {}
    for cell, record in records.items():
        groups.setdefault(cell.group, {})[cell] = record
    return groups


def differences(study: Study, records: Mapping[Cell, Mapping[str, Any]]) -> list[Difference]:
    """Compare every row of every group in every metric of the study."""
    found = []
    for group, own in by_group(records).items():
        base = base_of(study, own)
        for metric in study.metrics:
            if base is not None:
                found += _family(group, base, metric, own, list(study.rows))
    return found


def holm(found: Sequence[float]) -> list[float]:
    """Correct p values by Holm's method; NaNs stay, and don't count as tests."""
    known = [k for k, p in enumerate(found) if not np.isnan(p)]
    corrected = [float("nan")] * len(found)
    largest = 0.0
    for rank, place in enumerate(sorted(known, key=lambda k: found[k])):
        largest = max(largest, min(1.0, (len(known) - rank) * found[place]))
        corrected[place] = largest
    return corrected


def _family(
    group: tuple[str, ...],
    base: str,
    metric: str,
    records: Mapping[Cell, Mapping[str, Any]],
    rows: Sequence[str],
) -> list[Difference]:
    values: dict[str, dict[int, float]] = {}
    for cell, record in records.items():
        if metric in record["test"]:
            values.setdefault(cell.row, {})[cell.seed] = record["test"][metric]
    others = [row for row in rows if row in values and row != base]
    made = [_one(group, row, base, metric, values) for row in others if base in values]
    found = [difference for difference in made if difference is not None]
    corrected = holm([difference.p for difference in found])
    return [replace(d, corrected=p) for d, p in zip(found, corrected, strict=True)]


def _one(
    group: tuple[str, ...],
    row: str,
    base: str,
    metric: str,
    values: Mapping[str, Mapping[int, float]],
) -> Difference | None:
    seeds = sorted(values[row].keys() & values[base].keys())
    if not seeds:
        return None
    gaps = tuple(values[row][seed] - values[base][seed] for seed in seeds)
    level = float(np.mean([values[base][seed] for seed in seeds]))
    relative = float(np.mean(gaps)) / level if level else float("nan")
    return Difference(group, row, base, metric, gaps, relative, _p(gaps))


def _p(gaps: Sequence[float]) -> float:
    if len(gaps) < 2:
        return float("nan")
    if np.ptp(gaps) == 0:
        return float("nan") if gaps[0] else 1.0
    return float(stats.ttest_1samp(gaps, 0).pvalue)
