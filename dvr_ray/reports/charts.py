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

WIDTH, DEPTH, ROW_DEPTH, DOTS = 5.2, 3.4, 0.26, 200
"""Inches of a figure and of a named place, dots an inch."""
HEIGHT, ROW_HEIGHT = 400, 26
"""The same on a page, in pixels."""
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

    @property
    def bars(self) -> list[float]:
        """Lengths of error bars, 0 where there is none."""
        return [error if np.isfinite(error) else 0.0 for error in self.error]


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

    @property
    def sideways(self) -> bool:
        """Whether places side by side have names, which are read from the left: axes change."""
        return any(isinstance(x, str) for series in self.series for x in series.x)

    @property
    def places(self) -> int:
        """How many places there are."""
        return len({x for series in self.series for x in series.x})


def draw(chart: Chart) -> go.Figure:
    """Draw a chart for a page."""
    height = max(HEIGHT, ROW_HEIGHT * chart.places) if chart.sideways else HEIGHT
    titles = (chart.y, chart.x) if chart.sideways else (chart.x, chart.y)
    figure = blank(*titles, height=height, showlegend=len(chart.series) > 1)
    if chart.sideways:
        figure.update_yaxes(autorange="reversed")
    for place, series in enumerate(chart.series):
        parts = ["lines"] * series.joined + ["markers"] * series.marked
        parts += ["text"] * bool(series.labels)
        places = [label(x) if isinstance(x, str) else x for x in series.x]
        bars = {"array": series.bars} if any(series.bars) else None
        heights = list(series.y)
        data = (
            {"x": heights, "y": places, "error_x": bars}
            if chart.sideways
            else {"x": places, "y": heights, "error_y": bars}
        )
        figure.add_trace(
            go.Scatter(
                **data,
                text=[label(text) for text in series.labels] or None,
                textposition="top center",
                mode="+".join(parts),
                name=label(series.name),
                showlegend=bool(series.name),
                line={"color": _color(place), "dash": _dash(place)},
                marker={"color": _color(place), "size": 8},
            )
        )
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
        depth = max(DEPTH, ROW_DEPTH * chart.places + 1) if chart.sideways else DEPTH
        figure = Figure(figsize=(WIDTH, depth), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, series in enumerate(chart.series):
            _plot(axes, place, series, chart.sideways)
        titles = (chart.y, chart.x) if chart.sideways else (chart.x, chart.y)
        axes.set(xlabel=titles[0], ylabel=titles[1], title=_plain(chart.title))
        if chart.sideways:
            axes.invert_yaxis()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if sum(bool(series.name) for series in chart.series) > 1:
            axes.legend(frameon=False, fontsize="small")
        paths = []
        for kind, more in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": DOTS})):
            path = folder / f"{chart.name}.{kind}"
            with placed(path) as temporary:
                figure.savefig(temporary, format=kind, **more)
            paths.append(path)
    return paths


def _plot(axes: Any, place: int, series: Series, sideways: bool) -> None:
    places = [_plain(x) if isinstance(x, str) else x for x in series.x]
    bars = series.bars if any(series.bars) else None
    axes.errorbar(
        series.y if sideways else places,
        places if sideways else series.y,
        **{"xerr" if sideways else "yerr": bars},
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
