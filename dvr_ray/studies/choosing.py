"""What is chosen on validation-selection before a study's cells are run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from dvr_ray import seeding
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import Distribution
from dvr_ray.config.study import Choice, Study
from dvr_ray.errors import RunError
from dvr_ray.metrics import parse
from dvr_ray.registry import canonical
from dvr_ray.studies.cells import Cell, cells_of

__all__ = ["Chosen", "best_of", "groups_of", "tries_of"]

DIGITS = 4


@dataclass(frozen=True)
class Chosen:
    """What a choice found.

    Parameters
    ----------
    choice : Choice
        The choice.
    own : mapping of str to str
        The combination of entries that it was made for.
    values : dict
        Fields and their values; empty where the fields stay as they are.
    tries : int
        How many points were tried for it.
    """

    choice: Choice
    own: Mapping[str, str]
    values: dict[str, Any]
    tries: int = 1

    def fits(self, cell: Cell) -> bool:
        """Whether the values are used in a cell."""
        entries = dict(cell.entries)
        used = all(entries[axis] in names for axis, names in self.choice.only.items())
        return used and all(entries[axis] == entry for axis, entry in self.own.items())

    def __str__(self) -> str:
        rows = [", ".join(names) for names in self.choice.only.values()]
        where = ", ".join([*self.own.values(), *rows]) or "all"
        values = ", ".join(f"{k} {v}" for k, v in self.values.items())
        return f"{values or f'{self.choice.fields} as they are'} for {where}"


def tries_of(choice: Choice, trials: int) -> list[dict[str, Any]]:
    """Return every point that a choice tries, as fields and their values.

    Parameters
    ----------
    choice : Choice
        With a grid, or a search.
    trials : int
        Points of a search: the same for each combination, and the first sets nothing.
    """
    if choice.grid:
        values = product(*choice.grid.values())
        return [dict(zip(choice.grid, found, strict=True)) for found in values]
    columns = {
        name: _spread(distribution, trials - 1, seeding.numpy_generator(0, f"tries {name}"))
        for name, distribution in choice.search.items()
    }
    return [{}, *({k: v[n] for k, v in columns.items()} for n in range(trials - 1))]


def _spread(distribution: Distribution, count: int, rng: np.random.Generator) -> list[Any]:
    """Draw one value from each of ``count`` strata of the range, in random order."""
    places = (rng.permutation(count) + rng.random(count)) / max(count, 1)
    if distribution.choice is not None:
        return [distribution.choice[int(p * len(distribution.choice))] for p in places]
    low, high = distribution.bounds or (0.0, 0.0)
    whole = distribution.int_ is not None
    # A whole number stands for the interval up to the next one.
    step = (distribution.step or 1) if whole else 0
    if distribution.log:
        found = [low * math.exp(p * math.log((high + step) / low)) for p in places]
    else:
        found = [low + p * (high + step - low) for p in places]
    if whole:
        return [int(low + (value - low) // step * step) for value in found]
    return [min(high, float(f"{value:.{DIGITS}g}")) for value in found]


def groups_of(study: Study, choice: Choice) -> Iterator[tuple[dict[str, str], Cell]]:
    """Yield the combinations that a choice is made for, and the cell that each is made on.

    None where the study runs no cell that the choice is used in.
    """
    allowed = {
        axis: [entry for entry in entries if entry in choice.only.get(axis, (entry,))]
        for axis, entries in study.used.items()
    }
    if not all(allowed.values()):
        return
    run = [cell for cell in cells_of(study) if cell.seed == study.seeds[0]]
    for found in product(*(allowed[axis] for axis in choice.by)):
        own = dict(zip(choice.by, found, strict=True))
        if not any(Chosen(choice, own, {}).fits(cell) for cell in run):
            continue
        placed = {axis: entries[0] for axis, entries in allowed.items()} | choice.on | own
        yield own, Cell(tuple((axis, placed[axis]) for axis in study.axes), study.seeds[0])


def best_of(
    study: Study, choice: Choice, cell: Cell, config: RunConfig, records: Sequence[dict[str, Any]]
) -> int:
    """Return which try has the best selection metric.

    Parameters
    ----------
    study, choice, cell
        What is chosen, and the cell that it is chosen on.
    config : RunConfig
        Of one of the tries.
    records : sequence of dict
        What each try gave, or its error.

    Raises
    ------
    RunError
        If all failed, or one did for a cause that may be mended: then nothing can be said of it. A
        run whose loss is no longer finite merely loses.
    """
    broken = [record for record in records if "error" in record]
    mendable = [record["error"] for record in broken if not record.get("final")]
    if mendable or len(broken) == len(records):
        cause = mendable[0] if mendable else broken[0]["error"]
        rule = f"a run that {choice.fields} is chosen by failed ({cause})"
        raise RunError(f"{study.name}: {cell}", rule, "mend it and use --resume")
    metric = canonical(config.training.metric)
    sign = 1 if parse(metric).higher_is_better else -1
    ready = [k for k, record in enumerate(records) if "error" not in record]
    return max(ready, key=lambda k: sign * records[k]["selection"][metric])
