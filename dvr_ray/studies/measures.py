"""What tables and figures can show of a run: metrics on test, and measures beside them.

A measure is named: a monitor of the last horizon such as ``worth_error`` (``coverage.1`` is the
second entry of one with several), or one of `MEASURES`, or ``auc:SCORE``, the AUC of a plain score
on planted rows, or ``seconds_to@0.95``: training time until validation-selection first reached that
share of the best that the row compared with reached on the same seed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from dvr_ray.errors import ConfigError, DvrRayError, nearest
from dvr_ray.metrics import parse
from dvr_ray.monitors import MONITORS

__all__ = ["Quantity", "quantity"]

Record = Mapping[str, Any]

DIGITS = {
    "best_epoch": 1,
    "epochs": 1,
    "seconds": 1,
    "seconds_per_epoch": 3,
    "seconds_per_million": 2,
    "memory": 0,
}
"""Decimals; by default 4, and of monitors three digits that count."""
MEASURES: dict[str, tuple[str, Callable[[Record], float | None]]] = {
    "auc": ("AUC of value", lambda r: r["auc"].get("value")),
    "best_epoch": ("best epoch", lambda r: r["best_epoch"]),
    "epochs": ("epochs", lambda r: r.get("epochs")),
    "memory": ("peak memory, MiB", lambda r: r.get("memory")),
    "passes": ("agreement of passes", lambda r: r.get("passes")),
    "seconds": ("seconds a run", lambda r: r["seconds"]),
    "seconds_per_epoch": ("seconds an epoch", lambda r: _per_epoch(r)),
    "seconds_per_million": ("seconds a million triplets", lambda r: _per_million(r)),
    "seeds": ("agreement of seeds", lambda r: _mean(list(r.get("agreement", {}).values()))),
}
TITLES = {
    "held_out_correlation": "held-out correlation",
    "held_out_without_units": "without units",
}
PLACE = re.compile(r"(.+)\.(\d+)")
AUC, REACHED = "auc:", "seconds_to@"


class Quantity:
    """A number that a run has.

    Parameters
    ----------
    name : str
        Of a metric or a measure.
    title : str
        For columns and axes.
    of : callable
        Maps a record, and that of the row compared with on the same seed or None, to the number;
        None where the run doesn't have it.
    direction : int
        1 where more is better, -1 where less is, 0 where neither.
    digits : int or None
        Decimals to show; None shows three digits that count.
    """

    def __init__(
        self,
        name: str,
        title: str,
        of: Callable[[Record, Record | None], float | None],
        direction: int = 0,
        digits: int | None = 4,
    ) -> None:
        self.name, self.title, self.direction, self.digits = name, title, direction, digits
        self._of = of

    def __call__(self, record: Record, base: Record | None = None) -> float | None:
        """Return the number, None where there is none."""
        found = self._of(record, base)
        return None if found is None or math.isnan(found) else float(found)


def quantity(name: str, place: str = "study") -> Quantity:
    """Return the metric or measure of a name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name in MEASURES:
        title, of = MEASURES[name]
        return Quantity(name, title, lambda r, _: of(r), _direction(name), DIGITS.get(name, 4))
    if name.startswith(AUC):
        score = name.removeprefix(AUC)
        return Quantity(name, f"AUC of {score}", lambda r, _: r["auc"].get(score), 1)
    if name.startswith(REACHED):
        share = _share(name, place)
        title = f"seconds to {share:.0%} of the row compared with"
        return Quantity(name, title, lambda r, base: _reached(r, base, share), -1, 1)
    found = PLACE.fullmatch(name)
    stem = found[1] if found else name
    if stem in MONITORS:
        number = int(found[2]) if found else None
        title = TITLES.get(stem, stem.replace("_", " ")) + (f", {number + 1}" if found else "")  # type: ignore[operator]
        return Quantity(name, title, lambda r, _: _monitor(r, stem, number), 0, None)
    if "@" not in name:
        raise ConfigError(
            place,
            f"{name!r} is neither a metric nor a measure",
            nearest(name, (*MEASURES, *MONITORS)) + "; a metric has a cutoff, as ndcg@20",
        )
    sign = 1 if parse(name, place).higher_is_better else -1
    return Quantity(name, name, lambda r, _: r["test"].get(name), sign)


def _direction(name: str) -> int:
    if name in ("auc", "passes", "seeds"):
        return 1
    return -1 if name.startswith(("seconds", "memory")) else 0


def _share(name: str, place: str) -> float:
    try:
        share = float(name.removeprefix(REACHED))
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        rule = f"{name!r} must end in a share above 0 and at most 1"
        raise ConfigError(place, rule, "e.g. seconds_to@0.95")
    return share


def _monitor(record: Record, name: str, number: int | None) -> float | None:
    # Records of before they kept all monitors have two of them, under another name.
    found = record.get("monitors", record.get("held_out", {})).get(name)
    if isinstance(found, list):
        if number is None:
            return _mean(found)
        return found[number] if number < len(found) else None
    return found if number is None else None


def _mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _per_epoch(record: Record) -> float | None:
    epochs = record.get("epochs")
    return record["seconds"] / epochs if epochs else None


def _per_million(record: Record) -> float | None:
    epoch, rows = _per_epoch(record), record.get("rows")
    return None if epoch is None or not rows else epoch / rows * 1e6


def _reached(record: Record, base: Record | None, share: float) -> float | None:
    curve, goal = record.get("curve"), base and base.get("curve")
    if not curve or not goal or not goal["metric"]:
        return None
    sign = _sign(curve["name"])
    best = max(sign * value for value in goal["metric"])
    # Of a metric that is to be low, 95% of the best is 1/.95 of it.
    level = best * share if best > 0 else best / share
    times = zip(curve["seconds"], curve["metric"], strict=True)
    return next((seconds for seconds, value in times if sign * value >= level), None)


def _sign(metric: str) -> int:
    try:
        return 1 if parse(metric).higher_is_better else -1
    except DvrRayError:
        return 1
