"""How far runs of one row agree on values: rank correlation between seeds on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dvr_ray.config.schema import RunConfig
from dvr_ray.studies.cells import Cell, key_of
from dvr_ray.studies.pool import Pool
from dvr_ray.training.stored import VALUES
from dvr_ray.training.value_table import agreement

__all__ = ["agree"]


def agree(pool: Pool, configs: Mapping[Cell, RunConfig]) -> None:
    """Add to every record its agreement with the other seeds of its row, by their keys.

    Seeds that change the data or the split have other rows and are passed over; so are runs whose
    values don't lie here.

    Parameters
    ----------
    pool : Pool
        Has the records, and the folders of runs.
    configs : mapping of Cell to RunConfig
        The cells.
    """
    rows: dict[tuple[tuple[str, str], ...], list[RunConfig]] = {}
    for cell, config in configs.items():
        rows.setdefault(cell.entries, []).append(config)
    for runs in rows.values():
        for one, other in combinations(runs, 2):
            _agree(pool, one, other)


def _agree(pool: Pool, one: RunConfig, other: RunConfig) -> None:
    records = pool.cells.read(one), pool.cells.read(other)
    if records[0] is None or records[1] is None or records[0]["data"] != records[1]["data"]:
        return
    keys = key_of(one), key_of(other)
    if keys[1] in records[0].get("agreement", {}) or keys[0] == keys[1]:
        return
    values = [_values(pool.runs / key / VALUES) for key in keys]
    if values[0] is None or values[1] is None:
        return
    rho = round(agreement(torch.from_numpy(np.stack([values[0], values[1]]))), 4)
    for config, record, key in zip((one, other), records, reversed(keys), strict=True):
        assert record is not None
        told = {**record.get("agreement", {}), key: rho}
        pool.cells.write(config, {**record, "agreement": told})


def _values(path: Path) -> np.ndarray | None:
    if not path.exists():
        return None
    values: np.ndarray = pd.read_parquet(path, columns=["value"])["value"].to_numpy()
    return values
