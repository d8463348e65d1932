"""Numbers as reports write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["DIGITS", "Summary", "short", "summarise"]

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
