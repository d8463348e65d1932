"""Which rows of a valued log stay, and with what weight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from dvr_ray.data.catalogue import KnownCatalogue
from dvr_ray.inference.ranking import part_name
from dvr_ray.seeding import numpy_generator

__all__ = ["Chosen", "Rule"]

ASKED = ["user_number", "item_number", "rank", "probability"]
SHIFT_ROWS, NEAR, ROUNDS = 1 << 20, 1e-6, 60


@dataclass(frozen=True)
class Rule:
    """Which rows go: one of the three is given.

    Parameters
    ----------
    lowest : float or None
        Share of the rows, those with the lowest values.
    keep_rate : float or None
        Rows are drawn by their probabilities, moved alike in log-odds until this is their mean.
    weights : bool
        No row goes; each gets its probability as a weight, 1 where it has none.
    seed : int
        Of the draws.
    """

    lowest: float | None = None
    keep_rate: float | None = None
    weights: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Chosen:
    """What becomes of every valued row.

    Parameters
    ----------
    keys : ndarray, shape (n,)
        ``user * I + item``, increasing.
    kept : ndarray of bool, shape (n,)
        Whether it stays.
    weights : ndarray, shape (n,), float32
        Its weight.
    num_items : int
        I.
    """

    keys: np.ndarray
    kept: np.ndarray
    weights: np.ndarray
    num_items: int

    @classmethod
    def of(cls, folder: Path, manifest: dict[str, Any], rule: Rule, num_items: int) -> Chosen:
        """Choose among the rows of complete values."""
        paths = [folder / part_name(number) for number in range(manifest["parts"])]
        shift = 0.0 if rule.keep_rate is None else _shift(paths, rule.keep_rate, manifest["rows"])
        parts = []
        for number, path in enumerate(paths):
            columns = [column.to_numpy() for column in parquet.read_table(path, columns=ASKED)]
            users, items, ranks, odds = columns
            kept = np.ones(len(users), dtype=bool)
            if rule.lowest is not None:
                kept = ranks > rule.lowest * manifest["rows"]
            elif rule.keep_rate is not None:
                drawn = numpy_generator(rule.seed, "prune", number).random(len(users))
                kept = drawn < _moved(odds, shift)
            parts.append((users.astype(np.int64) * num_items + items, kept, odds))
        keys, kept, weights = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.argsort(keys)
        return cls(keys[order], kept[order], weights[order].astype(np.float32), num_items)

    def look_up(
        self, users: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether rows are kept, their weights, and whether they have a value; (r,) each."""
        keys = users.astype(np.int64) * self.num_items + items
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        valued = (users >= 0) & (items >= 0) & (self.keys[place] == keys)
        kept = np.where(valued, self.kept[place], True)
        return kept, np.where(valued, self.weights[place], 1.0), valued

    def emptied(self, known: KnownCatalogue) -> tuple[list[Any], list[Any]]:
        """Users and items that had valued rows and have none left."""
        found = []
        for ids, numbers in (
            (known.users.ids, self.keys // self.num_items),
            (known.items.ids, self.keys % self.num_items),
        ):
            before = np.bincount(numbers, minlength=len(ids))
            after = np.bincount(numbers[self.kept], minlength=len(ids))
            found.append(ids[(before > 0) & (after == 0)].tolist())
        return found[0], found[1]


def _moved(odds: np.ndarray, shift: float) -> np.ndarray:
    """Move probabilities in log-odds."""
    inside = np.clip(odds.astype(np.float64), NEAR, 1 - NEAR)
    return np.asarray(1 / (1 + np.exp(-(np.log(inside / (1 - inside)) + shift))))


def _shift(paths: list[Path], rate: float, rows: int) -> float:
    """Shift with which the mean probability is the rate, by bisection on up to a million rows."""
    step = max(rows // SHIFT_ROWS, 1)
    parts = [parquet.read_table(path, columns=["probability"])["probability"] for path in paths]
    odds = np.concatenate([part.to_numpy()[::step] for part in parts])
    low, high = -40.0, 40.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _moved(odds, middle).mean() < rate else (low, middle)
    return (low + high) / 2
