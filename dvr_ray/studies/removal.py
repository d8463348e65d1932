"""Removal curves of a study: runs on what is left when rows are dropped by another run's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.study import Study
from dvr_ray.studies.cells import Cell, key_of
from dvr_ray.training.stored import VALUES

__all__ = ["Removed", "removals_of"]


@dataclass(frozen=True)
class Removed:
    """One run of a removal curve.

    Parameters
    ----------
    source : Cell
        Whose values are used.
    train : Cell
        The run that it is to be compared with, on all rows.
    end : str
        ``lowest``, ``highest`` or ``random``.
    share : float
        Share of the training rows that was dropped.
    """

    source: Cell
    train: Cell
    end: str
    share: float

    def __str__(self) -> str:
        by = "at random" if self.end == "random" else f"{self.end} by {self.source.row}"
        return f"{self.train}, without {self.share:.0%} {by}"


def removals_of(
    study: Study, configs: Mapping[Cell, RunConfig], folder: Path
) -> dict[Removed, RunConfig]:
    """Return the runs of a study's removal curves.

    Parameters
    ----------
    study : Study
        The study.
    configs : mapping of Cell to RunConfig
        Its cells.
    folder : Path
        Where the folders of their runs lie, each named after its key.
    """
    wanted = study.removal
    if wanted is None:
        return {}
    trained = {(cell.group, cell.seed): cell for cell in configs if cell.row == wanted.train}
    found = {}
    for source, config in configs.items():
        train = trained.get((source.group, source.seed))
        if source.row not in wanted.of or train is None:
            continue
        values = folder / key_of(config) / VALUES
        for end in wanted.ends:
            if end == "random" and source.row != wanted.of[0]:
                continue  # the same whoever valued the rows
            for share in wanted.shares:
                method = {"name": "drop", "values": str(values), "share": share, "end": end}
                removed = Removed(source, train, end, share)
                found[removed] = apply(configs[train], {"method": method})
    return found
