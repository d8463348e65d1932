"""Figures of the values that a run gave to its training rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dvr_ray.reports.auc import Separation
from dvr_ray.reports.figures import ACCENT, CYCLE, MUTED, SECOND, THIRD, blank, label, line
from dvr_ray.reports.sides import Side
from dvr_ray.reports.values import groups

__all__ = ["POINTS", "distributions", "means_by_rows", "roc"]

BINS = 60
POINTS = 1500
STEPS = 12
MANY = 1000


def distributions(values: pd.DataFrame) -> dict[str, go.Figure]:
    """Draw histograms of values and probabilities, planted and real rows apart where known."""
    names = [name for name in ("value", "probability") if name in values]
    return {name: _histogram(values, name) for name in names}


def roc(found: Sequence[Separation]) -> go.Figure:
    """Draw the ROC of every score, its AUC in the legend."""
    figure = blank(
        "share of planted rows above the threshold",
        "share of real rows above it",
        height=420,
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


def means_by_rows(side: Side) -> go.Figure:
    """Draw the mean value of users or items against their number of rows.

    At most 1500 points are drawn, spread evenly over the order by number of rows; the line takes
    means over all.
    """
    order = side.means.sort_values("rows", kind="stable").reset_index(drop=True)
    step = max(len(order) / POINTS, 1)
    drawn = order.iloc[np.unique(np.arange(0, len(order), step).astype(int))]
    figure = blank(f"training rows of the {side.kind}", "mean value", height=320)
    for name, (chosen, color) in _by_planted(drawn).items():
        figure.add_trace(
            go.Scatter(
                x=chosen["rows"].tolist(),
                y=[float(f"{value:.4g}") for value in chosen["value"]],
                mode="markers",
                name=name,
                marker={"color": color, "size": 6, "opacity": 0.5},
                text=[label(f"{side.kind} {name}") for name in chosen["name"]],
                hovertemplate="%{text}<br>%{x} rows, mean value %{y:.3g}<extra></extra>",
            )
        )
    steps = _steps(order)
    line(
        figure, steps["rows"], steps["value"], f"mean over {side.kind}s with as many rows",
        THIRD, width=3, hoverinfo="skip",
    )  # fmt: skip
    leading = (1,) if order["rows"].max() > MANY else (1, 2, 5)
    ticks = [digit * 10**power for power in range(9) for digit in leading]
    figure.update_xaxes(type="log", tickvals=ticks, tickformat=",d")
    figure.update_layout(showlegend=True)
    return figure


def _by_planted(drawn: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, str]]:
    """Tell those apart whose rows were mostly planted, where that is known."""
    if "planted" not in drawn:
        return {"mean value": (drawn, ACCENT)}
    mostly = drawn["planted"] >= 0.5
    return {
        "under half of the rows planted": (drawn[~mostly], ACCENT),
        "half or more planted": (drawn[mostly], SECOND),
    }


def _steps(order: pd.DataFrame) -> pd.DataFrame:
    """Means over equal shares of the users or items, by number of rows."""
    place = np.arange(len(order)) * min(STEPS, len(order)) // max(len(order), 1)
    return order[["rows", "value"]].astype(float).groupby(place).mean()


def _histogram(values: pd.DataFrame, column: str) -> go.Figure:
    """Share of rows per bin; the outermost thousandth on either side is put in the end bins."""
    scores = values[column].to_numpy(dtype=float)
    finite = np.isfinite(scores)
    low, high = np.quantile(scores[finite], [0.001, 0.999]) if finite.any() else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    figure = blank(column, "share of rows", height=320, barmode="overlay", bargap=0)
    for name, own in groups(values).items():
        rows, color = finite & own, SECOND if name == "planted" else ACCENT
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
