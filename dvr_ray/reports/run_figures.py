"""Figures of one run: its learning and its policy's health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dvr_ray.reports.figures import (
    CYCLE,
    THIRD,
    blank,
    line,
    whole_steps,
)
from dvr_ray.reports.results import RunResults
from dvr_ray.reports.stored import Report

__all__ = ["learning", "monitors"]

SMALL = 230
LISTED = 8


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
        points = [(r.epoch, r.numbers.get(name, [])) for r in reports if name in r.health]
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
