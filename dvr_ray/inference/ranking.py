"""Ranks of all rows by value, 1 for the lowest, without ever holding all values.

Values are dealt out to files by splitters drawn from a sample, and each file is sorted. The rank of
a row is 1 plus the number of rows with a lower value: equal values share a rank.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dvr_ray.files import placed
from dvr_ray.inference.stages import ValuedBlocks
from dvr_ray.inference.work import Work

__all__ = ["RankedParts", "identity_of", "part_name", "sort_values"]

META = b"dvr_ray"
FILE_ROWS, SAMPLED = 1 << 20, 1 << 16


def part_name(number: int) -> str:
    """Return the name of a block's file among the results."""
    return f"part-{number:05d}.parquet"


def identity_of(path: Path) -> str | None:
    """Return the valuation that a block's results are of; None where they aren't whole."""
    try:
        metadata = parquet.read_schema(path).metadata or {}
        return str(json.loads(metadata[META])["identity"])
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError):
        return None


def sort_values(work: Work, valued: ValuedBlocks) -> None:
    """Leave all values in sorted files, and what lies between and before them."""
    count = len(work.blocks)
    if work.has("value starts"):
        return
    wanted = max(-(-len(work.log) // FILE_ROWS), 1)
    each = max(SAMPLED // count, 1)
    steps = np.maximum(work.blocks.rows // each, 1).tolist()
    sample = np.concatenate([_values(valued.path(k))[::step] for k, step in enumerate(steps)])
    splitters = np.unique(np.quantile(sample, np.arange(1, wanted) / wanted))
    files = [work.folder / f"values-{k:05d}.bin" for k in range(len(splitters) + 1)]
    for path in files:
        path.unlink(missing_ok=True)
    kind = sample.dtype
    for number in range(count):
        values = np.sort(_values(valued.path(number)))
        ends = np.searchsorted(values, splitters, side="left")
        for path, part in zip(files, np.split(values, ends), strict=True):
            with path.open("ab") as file:
                part.tofile(file)
    sizes = []
    for number, path in enumerate(files):
        found = np.sort(np.fromfile(path, kind))
        work.save(found, "sorted values", number)
        path.unlink()
        sizes.append(len(found))
    work.save(splitters, "value splitters")
    work.save(np.concatenate([[0], np.cumsum(sizes)]), "value starts")


def _values(path: Path) -> np.ndarray:
    return np.asarray(parquet.read_table(path, columns=["value"])["value"].to_numpy())


@dataclass(eq=False)
class RankedParts:
    """Stage: the results of a block, with ranks.

    Parameters
    ----------
    work : Work
        Holds sorted values.
    valued : ValuedBlocks
        Where blocks without ranks are.
    out : Path
        Folder of the results.
    identity : str
        Of the valuation.
    """

    work: Work
    valued: ValuedBlocks
    out: Path
    identity: str
    name: ClassVar[str] = "ranks"

    def done(self, number: int) -> bool:
        """Whether a block's results are there, whole, and of this valuation."""
        return identity_of(self.out / part_name(number)) == self.identity

    def __call__(self, number: int) -> None:
        """Rank a block."""
        table = parquet.read_table(self.valued.path(number))
        ranks = pa.array(self._ranks(table["value"].to_numpy()))
        told = json.dumps({"identity": self.identity, "part": number})
        table = table.append_column("rank", ranks).replace_schema_metadata({META: told})
        with placed(self.out / part_name(number)) as temporary:
            parquet.write_table(table, temporary)

    def _ranks(self, values: np.ndarray) -> np.ndarray:
        splitters, starts = self.work.load("value splitters"), self.work.load("value starts")
        order = np.argsort(values)
        ordered = values[order]
        ends = np.searchsorted(ordered, splitters, side="left")
        # Mapped: a bisection touches few pages of what is as long as the log.
        sorted_values = partial(self.work.load, "sorted values", mapped=True)
        found = [
            starts[k] + np.searchsorted(sorted_values(number=k), part, side="left")
            for k, part in enumerate(np.split(ordered, ends))
        ]
        ranks = np.empty(len(values), dtype=np.int64)
        ranks[order] = 1 + np.concatenate(found)
        return ranks
