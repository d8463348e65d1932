"""Parallel coordinates: one line per trial through its searched fields to its objective.

Drawn from plain lines and not by plotly's own ``parcoords``, which needs WebGL and has no place
for a field whose condition didn't hold; here such a line passes below the axis, at "not searched".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from dvr_ray.config.space import Distribution
from dvr_ray.reports.figures import ACCENT, MUTED, SECOND, blank, label
from dvr_ray.reports.results import SweepResults
from dvr_ray.reports.search_figures import trial_text
from dvr_ray.reports.trials import Trial

__all__ = ["LINES", "parallel"]

LINES = 200
ABSENT = -0.14
SCALE = [[0, SECOND], [0.5, MUTED], [1, ACCENT]]
FEW = 6


@dataclass(frozen=True)
class _Axis:
    """One coordinate: its name, heights 0 to 1 of its ticks, and heights of the trials."""

    name: str
    ticks: list[tuple[float, str]]
    heights: list[float]


def parallel(sweep: SweepResults) -> go.Figure | None:
    """Draw the best 200 trials; None where nothing was searched or nothing gave a result."""
    objective = sweep.objectives[0]
    trials = sweep.ranked(objective)[:LINES]
    if not trials or not sweep.space.search:
        return None
    axes = [_field_axis(n, d, trials) for n, d in sweep.space.search.items()]
    scores = [trial.objectives[objective] for trial in trials]
    axes.append(_number_axis(objective, scores, (min(scores), max(scores)), log=False))
    figure = blank(height=430, showlegend=False, margin={"l": 24, "r": 64, "t": 64, "b": 16})
    sign = 1 if sweep.maximised(objective) else -1
    ranks = np.argsort(np.argsort([sign * score for score in scores], kind="stable"))
    for place in np.argsort(ranks):
        share = float(ranks[place] / max(len(trials) - 1, 1))
        _draw(figure, axes, int(place), trials[place], share)
    # Adding them one by one would check all those before anew.
    figure.update_layout(
        shapes=[_axis_line(number) for number in range(len(axes))],
        annotations=[note for number, axis in enumerate(axes) for note in _notes(axis, number)],
    )
    figure.update_xaxes(visible=False, range=[-0.1, len(axes) - 1 + 0.05], fixedrange=True)
    lowest = min(0.0, *(height for axis in axes for height in axis.heights))
    figure.update_yaxes(visible=False, range=[lowest - 0.05, 1.04], fixedrange=True)
    return figure


def _draw(figure: go.Figure, axes: Sequence[_Axis], place: int, trial: Trial, share: float) -> None:
    """Draw one trial, coloured by its rank; a stopped one is dotted."""
    figure.add_trace(
        go.Scatter(
            x=list(range(len(axes))),
            y=[axis.heights[place] for axis in axes],
            mode="lines+markers",
            line={
                "color": sample_colorscale(SCALE, share)[0],
                "width": 1.4 + 1.8 * share**4,
                "dash": "solid" if trial.status == "finished" else "dot",
            },
            marker={"size": 4},
            opacity=0.45 + 0.55 * share,
            text=[trial_text(trial)] * len(axes),
            hovertemplate="%{text}<extra></extra>",
        )
    )


def _axis_line(number: int) -> dict[str, Any]:
    ends = {"x0": number, "x1": number, "y0": 0, "y1": 1}
    return {"type": "line", "line": {"color": MUTED, "width": 1.5}, **ends}


def _notes(axis: _Axis, number: int) -> list[dict[str, Any]]:
    """Name an axis above it and its ticks beside it."""
    family, dot, leaf = axis.name.rpartition(".")
    name = f"{label(family)}{dot}<br><b>{label(leaf)}</b>" if dot else f"<b>{label(leaf)}</b>"
    common = {"x": number, "xanchor": "left", "align": "left", "showarrow": False}
    title = {"y": 1.04, "yanchor": "bottom", "xshift": -12, "text": name, **common}
    ticks = [*axis.ticks, (ABSENT, "not searched")] if ABSENT in axis.heights else axis.ticks
    beside = {"xshift": 5, "font": {"size": 11}, "bgcolor": "rgba(128,128,128,0.16)", **common}
    return [title, *({"y": height, "text": label(text), **beside} for height, text in ticks)]


def _field_axis(name: str, distribution: Distribution, trials: Sequence[Trial]) -> _Axis:
    if distribution.choice is not None:
        return _choice_axis(name, distribution.choice, trials)
    values = [trial.values.get(name) for trial in trials]
    low, high = distribution.bounds or (0, 0)
    log = distribution.log or (low > 0 and high / low > 100)
    return _number_axis(name, values, (low, high), log, whole=distribution.int_ is not None)


def _choice_axis(name: str, choices: tuple[Any, ...], trials: Sequence[Trial]) -> _Axis:
    spread = max(len(choices) - 1, 1)
    heights = [
        choices.index(t.values[name]) / spread if name in t.values else ABSENT for t in trials
    ]
    return _Axis(name, [(n / spread, str(choice)) for n, choice in enumerate(choices)], heights)


def _number_axis(
    name: str,
    values: Sequence[float | None],
    bounds: tuple[float, float],
    log: bool,
    *,
    whole: bool = False,
) -> _Axis:
    """Heights by value, or by its logarithm, between two bounds."""
    known = [v for v in values if v is not None]
    low, high = min([bounds[0], *known]), max([bounds[1], *known])
    log = log and low > 0

    def height(value: float) -> float:
        if low == high:
            return 0.5
        if log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    ticks = [(height(value), f"{value:.3g}") for value in _ticks(low, high, log, whole)]
    return _Axis(name, ticks, [ABSENT if v is None else height(v) for v in values])


def _ticks(low: float, high: float, log: bool, whole: bool) -> list[float]:
    if low == high:
        return [low]
    if whole and high - low < FEW:
        return [float(value) for value in range(int(low), int(high) + 1)]
    spaced = np.geomspace(low, high, 5) if log else np.linspace(low, high, 5)
    return sorted({float(round(v)) for v in spaced}) if whole else spaced.tolist()
