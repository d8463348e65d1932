"""Figures of one run: its learning, its policy's health, and the values it gave."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dvr_ray.reports.auc import Separation
from dvr_ray.reports.figures import (
    ACCENT,
    CYCLE,
    MUTED,
    SECOND,
    THIRD,
    blank,
    line,
    whole_steps,
)
from dvr_ray.reports.results import RunResults
from dvr_ray.reports.stored import Report

__all__ = ["MEANINGS", "distributions", "learning", "monitors", "roc"]

BINS = 60
SMALL = 230
LISTED = 8
MEANINGS = {
    "reward_per_mask": "one line per mask",
    "baseline": "mean reward of the masks",
    "advantage_variance": "0: the masks can't be told apart",
    "entropy": "of the policy, in nats; .69 at most",
    "keep_rate": "mean probability of keeping",
    "value_spread": "sd of the values",
    "policy_spread": "sd of the probabilities",
    "value_loss_cosine": "1: a low loss is a high value",
    "selection_overlap": "of successive selections",
    "coverage": "share of a batch per unit, by layer",
    "dead": "share of units without members, by layer",
    "worth_error": "squared error of the worth",
    "worth_error_trivial": "the same, predicting the mean",
}


def learning(run: RunResults) -> dict[str, go.Figure]:
    """Draw every selection metric, the loss and the reward by epoch; figures by name."""
    found = {
        name: _metric(run, name)
        for name in dict.fromkeys(name for r in run.reports for name in r.selection)
    }
    losses = [(r.epoch, r.loss) for r in run.reports if r.loss is not None]
    if losses:
        found["training loss"] = _series({"loss": losses})
    rewards = dict.fromkeys(name for r in run.reports for name in r.reward)
    for name in rewards:
        points = [(r.epoch, r.reward[name]) for r in run.reports if name in r.reward]
        found[f"reward {name}"] = _series({name: points})
    return found


def monitors(reports: Sequence[Report]) -> dict[str, go.Figure]:
    """Draw every monitor that is a number or a list of numbers by epoch; figures by name."""
    found = {}
    for name in dict.fromkeys(name for report in reports for name in report.health):
        points = [(r.epoch, _numbers(r.health[name])) for r in reports if name in r.health]
        width = min(max(len(numbers) for _, numbers in points), LISTED)
        if width:
            found[name] = _series(
                {
                    f"{name} {place}": [
                        (epoch, numbers[place]) for epoch, numbers in points if place < len(numbers)
                    ]
                    for place in range(width)
                }
            )
    return found


def distributions(values: pd.DataFrame) -> dict[str, go.Figure]:
    """Draw histograms of values and probabilities, planted and real rows apart where known."""
    names = [name for name in ("value", "probability") if name in values]
    return {name: _histogram(values, name) for name in names}


def roc(found: Sequence[Separation]) -> go.Figure:
    """Draw the ROC of every score, its AUC in the legend."""
    figure = blank(
        "share of planted rows above the threshold",
        "share of real rows above it",
        height=560,
        legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"},
    )
    for number, separation in enumerate(found):
        line(
            figure,
            np.round(separation.false_rate, 4),
            np.round(separation.true_rate, 4),
            f"{separation.name}: {separation.described}",
            CYCLE[number % len(CYCLE)],
            width=3.5 if number == 0 else 1.6,
            line={"dash": _dash(number)},
            hoverinfo="name",
        )
    line(figure, [0, 1], [0, 1], "chance: .50", MUTED, width=1, hoverinfo="skip")
    figure.update_layout(xaxis_range=[0, 1], yaxis_range=[0, 1.005])
    return figure


def _dash(number: int) -> str:
    """Tell apart the value, the two scores that combine rows or features, and single features."""
    if number < 3:
        return "dash" if number else "solid"
    return "dot" if number < len(CYCLE) else "dashdot"


def _metric(run: RunResults, name: str) -> go.Figure:
    reports = [r for r in run.reports if name in r.selection]
    # What the gate adopts is never below the control; the comparison needs both models.
    lines = {"with values": [(r.epoch, r.valued.get(name, r.selection[name])) for r in reports]}
    control = [(r.epoch, r.keep_all[name]) for r in reports if name in r.keep_all]
    if control:
        lines["keep-all control"] = control
    figure = _series(lines, legend=bool(control))
    if run.result is not None:
        figure.add_vline(x=run.result.best_epoch, line={"color": THIRD, "dash": "dot", "width": 1})
    return figure


def _series(
    lines: Mapping[str, Sequence[tuple[int, float | None]]], *, legend: bool = False
) -> go.Figure:
    """Draw lines by epoch."""
    figure = blank("epoch", height=SMALL, showlegend=legend)
    figure.update_layout(margin={"l": 44, "r": 8, "t": 8, "b": 36}, font_size=12)
    for number, (name, points) in enumerate(lines.items()):
        line(
            figure,
            [epoch for epoch, _ in points],
            [value for _, value in points],
            name,
            CYCLE[number % len(CYCLE)],
            mode="lines+markers",
            marker={"size": 4},
            hovertemplate="epoch %{x}: %{y:.4g}<extra></extra>",
        )
    whole_steps(figure, max((epoch for points in lines.values() for epoch, _ in points), default=0))
    return figure


def _numbers(value: Any) -> list[float]:
    """Read a monitor; empty where it is neither a number nor a list of numbers."""
    entries = value if isinstance(value, list) else [value]
    plain = [e for e in entries if isinstance(e, int | float) and not isinstance(e, bool)]
    finite = [float(entry) for entry in plain if math.isfinite(entry)]
    return finite if len(finite) == len(entries) else []


def _histogram(values: pd.DataFrame, column: str) -> go.Figure:
    """Share of rows per bin; the outermost thousandth on either side is put in the end bins."""
    scores = values[column].to_numpy(dtype=float)
    finite = np.isfinite(scores)
    low, high = np.quantile(scores[finite], [0.001, 0.999]) if finite.any() else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    groups = {"all rows": (finite, ACCENT)}
    if "planted" in values and values["planted"].any():
        planted = values["planted"].to_numpy(dtype=bool)
        groups = {"real": (finite & ~planted, ACCENT), "planted": (finite & planted, SECOND)}
    figure = blank(column, "share of rows", height=320, barmode="overlay", bargap=0)
    for name, (rows, color) in groups.items():
        counts, _ = np.histogram(np.clip(scores[rows], edges[0], edges[-1]), edges)
        figure.add_trace(
            go.Bar(
                x=((edges[1:] + edges[:-1]) / 2).tolist(),
                y=(counts / max(rows.sum(), 1)).tolist(),
                width=float(edges[1] - edges[0]),
                name=f"{name}, {int(rows.sum()):,} rows",
                marker={"color": color, "opacity": 0.62, "line": {"width": 0}},
                hovertemplate="%{x:.3g}: %{y:.2%}<extra></extra>",
            )
        )
    figure.update_layout(showlegend=True)
    return figure
