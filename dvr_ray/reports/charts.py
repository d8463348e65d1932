"""A figure as data, drawn by plotly for a page and by matplotlib for a paper.

matplotlib is an extra: ``pip install 'dvr_ray[paper]'``.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dvr_ray.files import placed
from dvr_ray.reports.figures import CYCLE, blank, label

__all__ = ["Chart", "Series", "can_save", "draw", "save"]

INCHES, DOTS = (5.2, 3.4), 200
MARKERS = "osD^vP*X"
DASHES = ("solid", "dash", "dot")
STYLES = {"solid": "-", "dash": "--", "dot": ":"}
# Text stays text, and the same chart is the same file.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "dvr_ray", "font.size": 9}


@dataclass(frozen=True)
class Series:
    """Points of one name.

    Parameters
    ----------
    name : str
        For the legend; empty for none.
    x : tuple
        Numbers, or names of places side by side.
    y, error : tuple of float
        Heights, and their sd, NaN where there is none.
    labels : tuple of str
        Written beside the points; empty for none.
    joined : bool
        Whether a line joins them.
    marked : bool
        Whether the points are shown.
    """

    name: str
    x: tuple[Any, ...]
    y: tuple[float, ...]
    error: tuple[float, ...]
    labels: tuple[str, ...] = ()
    joined: bool = True
    marked: bool = True


@dataclass(frozen=True)
class Chart:
    """A figure.

    Parameters
    ----------
    name : str
        Of its files.
    title, note : str
        What it shows, and how it is to be read.
    x, y : str
        Titles of the axes.
    series : tuple of Series
        What is drawn.
    """

    name: str
    title: str
    note: str
    x: str
    y: str
    series: tuple[Series, ...]


def draw(chart: Chart) -> go.Figure:
    """Draw a chart for a page."""
    figure = blank(chart.x, chart.y, height=400, showlegend=len(chart.series) > 1)
    for place, series in enumerate(chart.series):
        parts = ["lines"] * series.joined + ["markers"] * series.marked
        parts += ["text"] * bool(series.labels)
        known = any(np.isfinite(series.error))
        figure.add_trace(
            go.Scatter(
                x=[label(x) if isinstance(x, str) else x for x in series.x],
                y=list(series.y),
                error_y={"array": [e if np.isfinite(e) else 0 for e in series.error]} if known
                else None,
                text=[label(text) for text in series.labels] or None,
                textposition="top center",
                mode="+".join(parts),
                name=label(series.name),
                showlegend=bool(series.name),
                line={"color": _color(place), "dash": _dash(place)},
                marker={"color": _color(place), "size": 8},
            )
        )  # fmt: skip
    return figure


def can_save() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def save(chart: Chart, folder: Path) -> list[Path]:
    """Write ``NAME.svg`` and ``NAME.png`` by matplotlib; return their paths."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, series in enumerate(chart.series):
            _plot(axes, place, series)
        axes.set(xlabel=chart.x, ylabel=chart.y, title=_plain(chart.title))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if any(isinstance(x, str) for series in chart.series for x in series.x):
            axes.tick_params(axis="x", rotation=30)
        if sum(bool(series.name) for series in chart.series) > 1:
            axes.legend(frameon=False, fontsize="small")
        paths = []
        for kind, more in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": DOTS})):
            path = folder / f"{chart.name}.{kind}"
            with placed(path) as temporary:
                figure.savefig(temporary, format=kind, **more)
            paths.append(path)
    return paths


def _plot(axes: Any, place: int, series: Series) -> None:
    known = any(np.isfinite(series.error))
    axes.errorbar(
        [_plain(x) if isinstance(x, str) else x for x in series.x],
        series.y,
        yerr=[e if np.isfinite(e) else 0 for e in series.error] if known else None,
        color=_color(place),
        linestyle=STYLES[_dash(place)] if series.joined else "none",
        marker=MARKERS[place % len(MARKERS)] if series.marked else "none",
        markersize=4,
        linewidth=1.3,
        capsize=2,
        label=_plain(series.name) if series.name else None,
    )
    for text, x, y in zip(series.labels, series.x, series.y, strict=False):
        axes.annotate(_plain(text), (x, y), (3, 3), textcoords="offset points", fontsize="x-small")


def _plain(text: str) -> str:
    """Keep matplotlib from reading dollars as mathematics."""
    return text.replace("$", r"\$")


def _color(place: int) -> str:
    return CYCLE[place % len(CYCLE)]


def _dash(place: int) -> str:
    """Lines that share a colour differ in their dashes."""
    return DASHES[place // len(CYCLE) % len(DASHES)]
