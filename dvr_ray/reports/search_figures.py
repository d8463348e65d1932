"""Figures of a sweep: what each trial reached, and which settings led there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

import plotly.graph_objects as go

from dvr_ray.reports.figures import (
    ACCENT,
    BAD,
    MUTED,
    SECOND,
    blank,
    label,
    line,
    whole_steps,
)
from dvr_ray.reports.results import SweepResults
from dvr_ray.reports.summary import short
from dvr_ray.reports.trials import Trial

__all__ = ["curves", "history", "importance", "pareto_fronts", "trial_text"]

SYMBOLS = {"finished": "circle", "stopped": "triangle-down-open", "failed": "x"}
COLORS = {"finished": ACCENT, "stopped": MUTED, "failed": BAD}
ERROR_CHARACTERS = 160


def history(sweep: SweepResults, objective: str) -> go.Figure:
    """Draw an objective by trial, in order, with the best one so far."""
    figure = blank("trial", objective)
    floor = _floor([t.objectives[objective] for t in sweep.trials if objective in t.objectives])
    for status, symbol in SYMBOLS.items():
        trials = [t for t in sweep.trials if t.status == status]
        if trials:
            figure.add_trace(
                go.Scatter(
                    x=[t.number for t in trials],
                    y=[t.objectives.get(objective, floor) for t in trials],
                    mode="markers",
                    name=status,
                    marker={"symbol": symbol, "size": 9, "color": COLORS[status]},
                    text=[trial_text(t) for t in trials],
                    hovertemplate="%{text}<extra></extra>",
                )
            )
    _best_so_far(figure, sweep, objective)
    _plain_run(figure, sweep, objective)
    whole_steps(figure, len(sweep.trials))
    return figure


def importance(shares: Mapping[str, float]) -> go.Figure:
    """Draw what each searched field mattered, the most important one on top."""
    names = list(shares)[::-1]
    figure = blank("share", height=80 + 30 * len(names))
    figure.add_trace(
        go.Bar(
            x=[shares[name] for name in names],
            y=[label(name) for name in names],
            orientation="h",
            marker={"color": ACCENT},
            text=[short(shares[name]) for name in names],
            textposition="auto",
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(range=[0, 1.05 * max(shares.values())])
    return figure


def curves(sweep: SweepResults, objective: str) -> go.Figure:
    """Draw an objective by epoch for each trial, the winner in front."""
    figure = blank("epoch", objective)
    winner = sweep.winner.number if sweep.winner else None
    # The trials that stand out are drawn last; the legend names all others once.
    numbers = sorted(sweep.curves, key=lambda n: (n == winner, n == 0, n))
    named = False
    for number in numbers:
        reports = [r for r in sweep.curves[number] if objective in r.selection]
        special = _special(number, winner)
        line(
            figure,
            [r.epoch for r in reports],
            [r.selection[objective] for r in reports],
            special[0] if special else "other trials",
            special[1] if special else MUTED,
            width=3 if number == winner else 1.4,
            opacity=1 if special else 0.45,
            showlegend=bool(special) or not named,
            hovertemplate=f"trial {number}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
        named = named or not special
    whole_steps(figure, max((r.epoch for c in sweep.curves.values() for r in c), default=0))
    return figure


def pareto_fronts(sweep: SweepResults, front: Collection[Trial]) -> list[go.Figure]:
    """Draw every pair of objectives; none for a search of one objective."""
    trials = [t for t in sweep.comparable if all(name in t.objectives for name in sweep.objectives)]
    numbers = {trial.number for trial in front}
    return [_pareto(trials, numbers, x, y) for x, y in combinations(sweep.objectives, 2)]


def trial_text(trial: Trial) -> str:
    """Say everything about a trial, for hovering."""
    lines = [f"trial {trial.number}, {trial.status} after {trial.epochs} epochs"]
    lines += [f"{label(name)}: {value:.4f}" for name, value in trial.objectives.items()]
    lines += [f"{label(name)}: {label(str(value))}" for name, value in trial.values.items()]
    if trial.error:
        lines.append(label(trial.error[:ERROR_CHARACTERS]))
    return "<br>".join(lines)


def _best_so_far(figure: go.Figure, sweep: SweepResults, objective: str) -> None:
    numbers, best = sweep.best_so_far(objective)
    if numbers:
        last = max(trial.number for trial in sweep.trials)
        line(
            figure,
            [*numbers, last],
            [*best, best[-1]],
            "best so far",
            ACCENT,
            line={"shape": "hv"},
            hoverinfo="skip",
        )


def _plain_run(figure: go.Figure, sweep: SweepResults, objective: str) -> None:
    """Trial 0 takes the run as it is written; the search should beat it."""
    plain = next((t for t in sweep.trials if t.number == 0 and objective in t.objectives), None)
    if plain is not None:
        level = plain.objectives[objective]
        ends = [0, max(trial.number for trial in sweep.trials)]
        line(
            figure,
            ends,
            [level, level],
            "trial 0, the plain run",
            SECOND,
            width=1.5,
            line={"dash": "dot"},
            hoverinfo="skip",
        )


def _floor(values: Sequence[float]) -> float:
    """Return the height at which trials without an objective are marked."""
    if not values:
        return 0.0
    low, high = min(values), max(values)
    return low - 0.06 * ((high - low) or abs(low) or 1.0)


def _special(number: int, winner: int | None) -> tuple[str, str] | None:
    if number == winner:
        return f"winner, trial {number}", ACCENT
    return ("trial 0, the plain run", SECOND) if number == 0 else None


def _pareto(trials: Sequence[Trial], front: set[int], x: str, y: str) -> go.Figure:
    figure = blank(x, y)
    # With several pairs a trial on the front may look beaten in one of them; colours still tell.
    groups = {"beaten by another trial": (MUTED, False), "on the front": (ACCENT, True)}
    for name, (color, wanted) in groups.items():
        shown = [t for t in trials if (t.number in front) == wanted]
        figure.add_trace(
            go.Scatter(
                x=[t.objectives[x] for t in shown],
                y=[t.objectives[y] for t in shown],
                mode="markers",
                name=name,
                marker={"color": color, "size": 10 if wanted else 7},
                text=[trial_text(t) for t in shown],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    return figure
