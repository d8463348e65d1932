"""Figures of several sweeps: their searches and their winners, one line each."""

from __future__ import annotations

import plotly.graph_objects as go

from dvr_ray.reports.comparing import Comparison
from dvr_ray.reports.figures import CYCLE, blank, label, line, whole_steps

__all__ = ["best_so_far", "winners"]


def best_so_far(found: Comparison, objective: str) -> go.Figure:
    """Draw the best comparable trial of each sweep so far, by number of trials."""
    figure = blank("trials", objective)
    longest = 0
    for place, compared in enumerate(found.sweeps):
        numbers, best = compared.sweep.best_so_far(objective)
        if not numbers:
            continue
        last = max(trial.number for trial in compared.sweep.trials)
        longest = max(longest, last + 1)
        line(
            figure,
            [number + 1 for number in [*numbers, last]],
            [*best, best[-1]],
            compared.name,
            CYCLE[place % len(CYCLE)],
            line={"shape": "hv", "dash": _dash(place)},
            hovertemplate=f"{label(compared.name)}, %{{x}} trials: %{{y:.4f}}<extra></extra>",
        )
    whole_steps(figure, longest)
    figure.update_layout(showlegend=True)
    return figure


def winners(found: Comparison, objective: str) -> go.Figure:
    """Draw the learning curves of the sweeps' winning trials."""
    figure = blank("epoch", objective)
    longest = 0
    for place, compared in enumerate(found.sweeps):
        winner = compared.sweep.winner
        curve = compared.sweep.curves.get(winner.number, ()) if winner else ()
        reports = [report for report in curve if objective in report.selection]
        if winner is None or not reports:
            continue
        longest = max(longest, reports[-1].epoch)
        line(
            figure,
            [report.epoch for report in reports],
            [report.selection[objective] for report in reports],
            f"{compared.name}, trial {winner.number}",
            CYCLE[place % len(CYCLE)],
            line={"dash": _dash(place)},
            hovertemplate=f"{label(compared.name)}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    whole_steps(figure, longest)
    figure.update_layout(showlegend=True)
    return figure


def _dash(place: int) -> str:
    """Lines that share a colour differ in their dashes."""
    return ("solid", "dash", "dot")[place // len(CYCLE) % 3]
