"""Training without the rows that another run values least, or most: the test of its values.

``values`` names a ``values.parquet`` of a run on the same training rows: same data, noise and
split. The rows that are left are all kept alike, from the first epoch on. As a control as many rows
are dropped at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import DataError
from dvr_ray.seeding import numpy_generator
from dvr_ray.weightings.weighting import WEIGHTINGS, Weighting, WeightingParts

__all__ = ["Drop"]


class DropParams(Strict):
    """Fields of ``method: {name: drop, ...}``."""

    values: str = Field(min_length=1, description="values.parquet of a run on the same rows.")
    share: float = Field(0.1, gt=0, lt=1, description="Share of the training rows to drop.")
    end: Literal["lowest", "highest", "random"] = Field(
        "lowest", description="Which: of lowest value, of highest, or any, as a control."
    )


@WEIGHTINGS.add("drop")
class Drop(Weighting):
    """Keeps all rows but a share by their values.

    Raises
    ------
    DataError
        If the table can't be read or is of other rows.
    """

    Params = DropParams

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        params, count = parts.params, len(parts.data.train)
        if params.end == "random":
            order = numpy_generator(parts.config.seed, "drop").permutation(count)
        else:
            values = _values(Path(params.values), parts.data)
            order = np.argsort(values if params.end == "lowest" else -values, kind="stable")
        self._kept = torch.ones(count, dtype=torch.bool)
        self._kept[torch.from_numpy(order[: round(params.share * count)].copy())] = False

    def select(self, replica: int, rows: Tensor) -> Tensor:
        """Tell which rows are left."""
        return self._kept[rows]


def _values(path: Path, data: TrialData) -> np.ndarray:
    """Read the values (n,) of the training rows, which must be the table's."""
    place = f"run: method.values: {path}"
    try:
        table = pd.read_parquet(path, columns=["user", "item", "value"])
    except (OSError, ValueError) as error:
        cause = " ".join(str(error).split())[:160]
        raise DataError(place, f"can't be read ({cause})", "name a run's values.parquet") from error
    rows = data.user_ids[data.train.users], data.item_ids[data.train.items]
    same = len(table) == len(data.train) and all(
        np.array_equal(table[name].to_numpy(), own)
        for name, own in zip(("user", "item"), rows, strict=True)
    )
    if not same:
        rule = f"must hold the {len(data.train):,} training rows of this run, got others"
        raise DataError(place, rule, "give the run the same data, noise and split")
    values: np.ndarray = table["value"].to_numpy()
    return values
