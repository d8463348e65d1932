"""Limits of the monitors: each warns once and names what to change."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import Any

from dvr_ray.errors import DivergedError
from dvr_ray.training.checkpoint import Progress

__all__ = ["Watch", "check_finite"]

REPORTS = 5


def check_finite(row: dict[str, Any]) -> None:
    """Refuse a report whose training loss is no number.

    Raises
    ------
    DivergedError
        Naming the epoch.
    """
    if not isfinite(row["loss"]):
        raise DivergedError(
            f"epoch {row['epoch']}",
            f"the loss is {row['loss']}",
            "lower training.lr or raise training.l2",
        )


class Watch:
    """Checks every report's monitors.

    Parameters
    ----------
    progress : Progress
        Remembers which monitors have warned, and the last reports; updated in place.
    sign : int
        1 where more of the selection metric is better, else -1.
    """

    def __init__(self, progress: Progress, sign: int = 1) -> None:
        self._progress, self._sign = progress, sign

    def check(self, row: dict[str, Any]) -> list[str]:
        """Return the warnings that a row raises for the first time."""
        monitors = row.get("monitors") or {}
        found = _limits(monitors) if "keep_rate" in monitors else {}
        if self._misaligned(row):
            moved = "fell" if self._sign > 0 else "rose"
            found["misalignment"] = (
                f"the training loss fell for {REPORTS - 1} reports while the selection metric "
                f"{moved}: raise training.l2 or change adapter.reward"
            )
        warned = self._progress.warned
        fresh = {name: text for name, text in found.items() if name not in warned}
        warned.extend(fresh)
        return [f"{name}: {text}" for name, text in fresh.items()]

    def _misaligned(self, row: dict[str, Any]) -> bool:
        metric = self._sign * next(iter(row["selection"].values()))
        self._progress.recent = [*self._progress.recent, [row["loss"], metric]][-REPORTS:]
        steps = list(pairwise(self._progress.recent))
        return len(steps) == REPORTS - 1 and all(b[0] < a[0] and b[1] < a[1] for a, b in steps)


def _limits(monitors: dict[str, Any]) -> dict[str, str]:
    """Name the monitors that are beyond their limit, with what to change."""
    keep, coverage, dead = monitors["keep_rate"], monitors["coverage"], monitors["dead"]
    rules = {
        "policy_spread": (
            monitors["policy_spread"] < 0.01,
            f"probabilities have collapsed to one value (sd {monitors['policy_spread']:.4f}): "
            "lower policy.temperature or valuator.ridge",
        ),
        "keep_rate": (
            not 0.05 <= keep <= 0.99,
            f"{keep:.1%} of the triplets are kept: set policy.normalisation to centred "
            "or change policy.offset",
        ),
        "entropy": (
            monitors["entropy"] < 0.05,
            f"the policy hardly explores (entropy {monitors['entropy']:.3f}): "
            "raise policy.temperature or policy.entropy",
        ),
        "advantage_variance": (
            monitors["advantage_variance"] == 0,
            "all masks earned the same reward: lengthen adapter.horizon.epochs "
            "or raise adapter.masks",
        ),
        "coverage": (
            any(share > 0.95 for share in coverage[1:]),
            f"units of a deeper layer cover {max(coverage):.0%} of the batch and pay everybody "
            "alike: lower valuator.children or valuator.depth",
        ),
        "dead": (
            any(share > 0.9 for share in dead),
            f"{max(dead, default=0):.0%} of a layer's units are dead: "
            "lower valuator.lr or valuator.depth",
        ),
        "worth_error": (
            monitors["worth_error"] > 10 * max(monitors["worth_error_trivial"], 1e-4),
            "the worth misses the batch's loss by far more than its mean does: "
            "lower valuator.lr or set adapter.mse_head to affine",
        ),
    }
    return {name: text for name, (broken, text) in rules.items() if broken}
