"""What all figures share: an empty figure in the house's look, colours, and safe labels.

Colours of text, grid and background are left to the page, which knows whether it is dark.
Every trace is drawn as SVG: a browser without WebGL shows the whole page.
"""

from __future__ import annotations

import html
import re
from typing import Any

import plotly.graph_objects as go

__all__ = [
    "ACCENT",
    "BAD",
    "CYCLE",
    "MUTED",
    "SECOND",
    "THIRD",
    "blank",
    "label",
    "line",
    "visible",
    "whole_steps",
]

ACCENT, SECOND, THIRD = "#3b7dd8", "#e08a1e", "#2a9d74"
BAD, MUTED = "#d1495b", "#8a8f98"
CYCLE = (ACCENT, SECOND, THIRD, "#8a63d2", BAD, "#5aa9c7", "#b07d4f", "#c26fb0")
FEW = 9
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def blank(x: str = "", y: str = "", *, height: int = 360, **layout: Any) -> go.Figure:
    """Return an empty figure.

    Parameters
    ----------
    x, y : str
        Titles of the axes.
    height : int
        In pixels; the width is the page's.
    **layout
        Further fields of plotly's layout.
    """
    figure = go.Figure(layout={"template": "none"})
    figure.update_layout(
        height=height,
        autosize=True,
        margin={"l": 60, "r": 16, "t": 12, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        hovermode="closest",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        xaxis=_axis(x),
        yaxis=_axis(y),
    )
    figure.update_layout(**layout)
    return figure


def line(
    figure: go.Figure, x: Any, y: Any, name: str, color: str, *, width: float = 2, **more: Any
) -> None:
    """Add a line; ``more`` are further fields of plotly's scatter."""
    style = {"color": color, "width": width, **more.pop("line", {})}
    fields = {"mode": "lines", "name": label(name), "line": style} | more
    figure.add_trace(go.Scatter(x=list(x), y=list(y), **fields))


def whole_steps(figure: go.Figure, last: int) -> None:
    """Keep plotly from marking halves of a few epochs or trials."""
    if last <= FEW:
        figure.update_xaxes(dtick=1)


def label(text: str) -> str:
    """Make a text safe for plotly, which reads labels as a kind of HTML."""
    return html.escape(visible(text), quote=False)


def visible(text: str) -> str:
    """Show characters that are unseen yet change how other text looks by their numbers.

    These are control characters, line separators, halves of surrogate pairs, which no file can
    hold, and those that turn the direction of writing around; the mere marks of Arabic and Hebrew
    (U+200E, U+200F, U+061C) stay.
    """
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _axis(title: str) -> dict[str, Any]:
    text = {"text": label(title), "font": {"size": 13}, "standoff": 10}
    return {"title": text, "automargin": True, "zeroline": False, "exponentformat": "e"}
