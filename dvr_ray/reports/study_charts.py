"""Figures of a study: a quantity by an axis, one quantity against another, removal curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from dvr_ray.config.study import Figure, Study
from dvr_ray.reports.charts import Chart, Series
from dvr_ray.reports.sheets import slug
from dvr_ray.reports.study_tables import bases_of
from dvr_ray.studies.measures import Quantity, quantity
from dvr_ray.studies.runner import StudyResult

__all__ = ["charts_of"]

Entries = tuple[str, ...]
Point = tuple[float, float]
"""Mean and sd over seeds."""
NAN = float("nan")


def charts_of(study: Study, result: StudyResult) -> list[Chart]:
    """Return the figures that a study asks for, by default its first metric by row."""
    wanted = study.figures or (Figure(x=study.last, y=study.metrics[0]),)
    found = []
    for figure in wanted:
        if figure.x in study.axes:
            found += _by_axis(study, result, figure.x, quantity(figure.y))
        else:
            found += _against(study, result, quantity(figure.x), quantity(figure.y))
    return [*found, *_removal(study, result)]


def _points(study: Study, result: StudyResult, wanted: Quantity) -> dict[Entries, Point]:
    """Mean and sd of a quantity by combination of entries."""
    bases = bases_of(study, result)
    values: dict[Entries, list[float]] = {}
    for cell, record in result.records.items():
        value = wanted(record, bases.get(cell))
        if value is not None:
            values.setdefault(tuple(entry for _, entry in cell.entries), []).append(value)
    return {entries: _spread(found) for entries, found in values.items()}


def _spread(found: Sequence[float]) -> Point:
    return float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else NAN


def _by_axis(study: Study, result: StudyResult, axis: str, y: Quantity) -> list[Chart]:
    """One chart for each combination of the other axes; every row of the last is a line."""
    points, names = _points(study, result, y), list(study.axes)
    place, last = names.index(axis), len(names) - 1
    entries = list(study.used[axis])
    numbers = _numbers(entries)
    lines = [""] if place == last else list(study.rows)
    others = [k for k in range(last) if k != place]
    charts = []
    for panel in product(*(study.used[names[k]] for k in others)):
        fixed = dict(zip(others, panel, strict=True))
        series = []
        for line in lines:
            own = {
                entry: points.get(
                    tuple(fixed.get(k, entry if k == place else line) for k in range(last + 1)),
                )
                for entry in entries
            }
            series.append(_series(line, own, numbers))
        drawn = tuple(each for each in series if each.x)
        if drawn:
            title = ", ".join(panel)
            name = slug(" ".join([y.name, "by", axis, *panel]))
            note = "Mean over seeds; bars are one sd."
            charts.append(Chart(name, title, note, axis, y.title, drawn))
    return charts


def _series(name: str, own: dict[str, Point | None], numbers: dict[str, float] | None) -> Series:
    known = {entry: point for entry, point in own.items() if point is not None}
    return Series(
        name,
        tuple(entry if numbers is None else numbers[entry] for entry in known),
        tuple(mean for mean, _ in known.values()),
        tuple(sd for _, sd in known.values()),
        joined=numbers is not None,
    )


def _numbers(entries: Sequence[str]) -> dict[str, float] | None:
    """Entries as numbers, ``10%`` as 10; None where one of them isn't a number."""
    try:
        return {entry: float(entry.removesuffix("%")) for entry in entries}
    except ValueError:
        return None


def _against(study: Study, result: StudyResult, x: Quantity, y: Quantity) -> list[Chart]:
    """One chart for each group: rows as points, and a line through those that none dominates."""
    across, up = _points(study, result, x), _points(study, result, y)
    charts = []
    for group in dict.fromkeys(entries[:-1] for entries in across):
        rows = [row for row in study.rows if (*group, row) in across and (*group, row) in up]
        if not rows:
            continue
        xs = [across[*group, row][0] for row in rows]
        points = [(value, *up[*group, row]) for value, row in zip(xs, rows, strict=True)]
        series = [
            Series(
                "rows", tuple(xs), tuple(p[1] for p in points), tuple(p[2] for p in points),
                labels=tuple(rows), joined=False,
            )
        ]  # fmt: skip
        note = "Means over seeds; bars are one sd of the height."
        if x.direction and y.direction:
            front = _front(points, x.direction, y.direction)
            blank = (NAN,) * len(front)
            line = Series("no other is better in both", tuple(p[0] for p in front),
                          tuple(p[1] for p in front), blank, marked=False)  # fmt: skip
            series.append(line)
            note += f" Better: {_way(x)} {x.title} and {_way(y)} {y.title}."
        name = slug(" ".join([y.name, "against", x.name, *group]))
        charts.append(Chart(name, ", ".join(group), note, x.title, y.title, tuple(series)))
    return charts


def _front(
    points: Sequence[tuple[float, float, float]], across: int, up: int
) -> list[tuple[float, float]]:
    """Return points that no other point beats in one direction without losing in the other."""
    kept = [
        (x, y)
        for x, y, _ in points
        if not any(
            across * (a - x) >= 0 and up * (b - y) >= 0 and (a, b) != (x, y) for a, b, _ in points
        )
    ]
    return sorted(kept)


def _way(wanted: Quantity) -> str:
    return "higher" if wanted.direction > 0 else "lower"


def _removal(study: Study, result: StudyResult) -> list[Chart]:
    """One chart for each group: the first metric by share dropped, a line for each end."""
    metric = study.metrics[0]
    values: dict[Entries, dict[tuple[str, str], dict[float, list[float]]]] = {}
    for removed, record in result.removed.items():
        whole = result.records.get(removed.train)
        if whole is None:
            continue
        of = "" if removed.end == "random" else f" by {removed.source.row}"
        lines = values.setdefault(removed.train.group, {})
        line = lines.setdefault((removed.end, f"{removed.end}{of}"), {})
        line.setdefault(removed.share * 100, []).append(record["test"][metric])
        line.setdefault(0.0, []).append(whole["test"][metric])
    charts = []
    for group, lines in values.items():
        series = []
        for (_, name), shares in lines.items():
            points = [_spread(found) for _, found in sorted(shares.items())]
            means, sds = tuple(p[0] for p in points), tuple(p[1] for p in points)
            series.append(Series(name, tuple(sorted(shares)), means, sds))
        note = (
            "Retrained without a share of the rows. Values are of use where dropping the lowest "
            "costs less than dropping as many at random, and dropping the highest costs more."
        )
        name = slug(" ".join(["removal", metric, *group]))
        x = "% of training rows dropped"
        charts.append(Chart(name, ", ".join(group), note, x, metric, tuple(series)))
    return charts
