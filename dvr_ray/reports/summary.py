"""Numbers as reports write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["DIGITS", "Summary", "short", "signed", "significant", "span", "summarise", "written"]

DIGITS = 4


@dataclass(frozen=True)
class Summary:
    """Values of several seeds: mean, sd (over n - 1; NaN for one seed) and count."""

    mean: float
    sd: float
    count: int

    def __str__(self) -> str:
        """``.1934 ± .0012``; without sd where there is one seed only."""
        return self.written(DIGITS)

    def written(self, digits: int) -> str:
        """Mean and sd with so many digits behind the point."""
        mean = short(self.mean, digits)
        return mean if self.count < 2 else f"{mean} ± {short(self.sd, digits)}"


def summarise(values: Sequence[float]) -> Summary | None:
    """Mean and sd of some values; None where there are none."""
    if not values:
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Summary(float(np.mean(values)), sd, len(values))


def short(number: float, digits: int = 2) -> str:
    """Write a number without its leading zero: ``.91``, ``-.02``, ``1.00``."""
    text = f"{number:.{digits}f}"
    if text.startswith("0."):
        return text[1:]
    return f"-{text[2:]}" if text.startswith("-0.") else text


def significant(number: float, digits: int = 3) -> str:
    """Write a number with so many digits from its first on: ``.0123``, ``12.0``; empty for NaN."""
    if not math.isfinite(number):
        return ""
    text = f"{number:#.{digits}g}".rstrip(".")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def signed(difference: Summary | None) -> str:
    """Write a difference with its sign, also where it is above zero; empty for None."""
    if difference is None:
        return ""
    return f"+{difference}" if difference.mean > 0 else str(difference)


def span(seconds: float) -> str:
    """Write a time: ``41 s``, ``12 min``, ``3.4 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def written(value: object) -> str:
    """Write a setting: floats with four digits, nothing for None."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
