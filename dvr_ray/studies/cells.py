"""From a study to the runs it consists of, and what is stored of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.study import Study
from dvr_ray.errors import CheckpointError, ConfigError
from dvr_ray.storage import is_address
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.pretraining import fingerprint, pretrained

__all__ = ["Cell", "Cells", "cells_of", "configured", "key_of"]


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Parameters
    ----------
    entries : tuple of (str, str)
        Axis and entry, in the order of the axes.
    seed : int
        The seed.
    """

    entries: tuple[tuple[str, str], ...]
    seed: int

    @property
    def group(self) -> tuple[str, ...]:
        """Entries of all axes but the last: the table that it is in."""
        return tuple(entry for _, entry in self.entries[:-1])

    @property
    def row(self) -> str:
        """Entry of the last axis."""
        return self.entries[-1][1]

    def __str__(self) -> str:
        return f"{', '.join(entry for _, entry in self.entries)}, seed {self.seed}"


def cells_of(study: Study) -> list[Cell]:
    """Return all cells, seed after seed, so that a study cut short has whole seeds."""
    entries = [[(axis, entry) for entry in values] for axis, values in study.used.items()]
    wanted = [found for found in product(*entries) if not _left_out(study, dict(found))]
    return [Cell(found, seed) for seed in study.seeds for found in wanted]


def _left_out(study: Study, entries: Mapping[str, str]) -> bool:
    return any(
        all(entries[axis] in names for axis, names in combination.items())
        for combination in study.without
    )


def configured(study: Study, cell: Cell, chosen: Mapping[str, Any], root: Path) -> RunConfig:
    """Return a cell's run.

    Parameters
    ----------
    study : Study
        The study.
    cell : Cell
        Which of its runs.
    chosen : mapping of str to value
        What was chosen for it.
    root : Path
        Where data paths start.

    Raises
    ------
    ConfigError
        Naming the entry, if a field is wrong.
    """
    values: dict[str, Any] = {}
    for axis, entry in cell.entries:
        values |= study.axes[axis][entry]
    values |= dict(chosen)
    try:
        config = apply(study.run, values)
        path = config.data.path
        if path is not None and not is_address(path) and not Path(path).is_absolute():
            config = apply(config, {"data.path": str(root.resolve() / path)})
        return apply(config, dict.fromkeys(study.seeded, cell.seed))
    except ConfigError as error:
        raise ConfigError(f"{study.name}: {cell}: {error.place}", error.rule, error.mend) from error


def key_of(config: RunConfig) -> str:
    """Twelve hex digits that are equal for equal runs, wherever their data lie.

    Fields at their defaults don't count, so that a field that is added later changes no key.
    """
    canonical = json.dumps(_portable(config, exclude_defaults=True), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _portable(config: RunConfig, exclude_defaults: bool) -> dict[str, Any]:
    content = config.model_dump(mode="json", exclude_defaults=exclude_defaults)
    if config.data.path is not None:
        content["data"]["path"] = Path(config.data.path).name
    if "values" in content.get("method", {}):
        # Of another run, whose folder is named after its key.
        content["method"]["values"] = Path(content["method"]["values"]).parent.name
    if isinstance(named := pretrained(config), str):
        content["method"]["pretrained"] = fingerprint(Path(named))
    return content


def _agree(stored: Any, now: Any) -> bool:
    """Whether two configs say the same wherever both say something."""
    if isinstance(stored, dict) and isinstance(now, dict):
        return all(_agree(stored[name], now[name]) for name in stored.keys() & now.keys())
    return bool(stored == now)


class Cells:
    """Finished cells, one small JSON file each.

    Parameters
    ----------
    folder : Path
        Where they lie; they can be committed, and a study goes on from them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, config: RunConfig) -> dict[str, Any] | None:
        """Return the record of a run; None where there is none, or defaults have changed since.

        Raises
        ------
        CheckpointError
            If it is damaged.
        """
        path = self._path(config)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found["selection"], dict):
                raise TypeError("selection holds no metrics")
            agrees = _agree(found["config"], _portable(config, exclude_defaults=False))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            rule = f"can't be read ({error})"
            raise CheckpointError(str(path), rule, "delete it to run this cell again") from error
        return dict(found) if agrees else None

    def write(self, config: RunConfig, record: Mapping[str, Any]) -> None:
        """Store a record, at once or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        own = {"config": _portable(config, exclude_defaults=False)}
        write_json(self._path(config), {**record, **own})

    def _path(self, config: RunConfig) -> Path:
        return self._folder / f"{key_of(config)}.json"
