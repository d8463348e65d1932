"""The table of values of one run: read from its file, and told in a few numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dvr_ray.errors import CheckpointError

__all__ = ["QUANTILES", "Spread", "groups", "read_values", "spreads"]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SCORES = ("value", "probability")
MEND = "train this run again"


@dataclass(frozen=True)
class Spread:
    """How the scores of some rows are spread.

    Parameters
    ----------
    score : str
        value or probability.
    group : str
        all rows, real or planted.
    rows : int
        How many have a finite score.
    mean, sd : float
        Over these rows; NaN where there are none.
    quantiles : tuple of float
        At `QUANTILES`, from the lowest score to the highest.
    """

    score: str
    group: str
    rows: int
    mean: float
    sd: float
    quantiles: tuple[float, ...]


def read_values(path: Path) -> pd.DataFrame:
    """Read ``values.parquet``; ids and attributes that are texts become categories.

    Raises
    ------
    CheckpointError
        If it isn't Parquet or has no column ``value``.
    """
    try:
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        table = pq.read_table(path, read_dictionary=texts)
        # Arrow's copy is given up column by column, so that there is never a second whole table.
        values: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(str(path), f"not a readable Parquet file ({reason})", MEND) from error
    if "value" not in values:
        names = ", ".join(values)
        raise CheckpointError(str(path), f"must have a column value, got {names}", MEND)
    return values


def groups(values: pd.DataFrame) -> dict[str, np.ndarray]:
    """Tell real rows from planted ones where that is known; masks of rows by name."""
    if "planted" in values and values["planted"].any():
        planted = values["planted"].to_numpy(dtype=bool)
        return {"real": ~planted, "planted": planted}
    return {"all rows": np.ones(len(values), dtype=bool)}


def spreads(values: pd.DataFrame) -> list[Spread]:
    """Say how values and probabilities are spread, real and planted rows apart."""
    return list(_spreads(values))


def _spreads(values: pd.DataFrame) -> Iterator[Spread]:
    for score in SCORES:
        if score not in values:
            continue
        numbers = values[score].to_numpy(dtype=float)
        for group, rows in groups(values).items():
            own = numbers[rows & np.isfinite(numbers)]
            empty = np.full(len(QUANTILES), np.nan)
            found = np.quantile(own, QUANTILES) if len(own) else empty
            yield Spread(
                score=score,
                group=group,
                rows=len(own),
                mean=float(own.mean()) if len(own) else float("nan"),
                sd=float(own.std(ddof=1)) if len(own) > 1 else float("nan"),
                quantiles=tuple(found.tolist()),
            )
