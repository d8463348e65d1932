"""A pandas frame valued in this process, as ``dvr-ray values --data`` values the same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pyarrow import parquet

from dvr_ray.data.frame import frame_rows
from dvr_ray.data.rows import Rows
from dvr_ray.inference.job import Valuation, value_log
from dvr_ray.inference.matching import OtherLog, numbers_of
from dvr_ray.inference.ranking import part_name
from dvr_ray.inference.work import InProcess
from dvr_ray.training.opened import OpenedRun

__all__ = ["value_frame"]

NUMBERS = ["user_number", "item_number"]
COLUMNS = ["value", "standard_error", "probability", "mean_loss", "rank"]


@dataclass(frozen=True)
class FrameLog(OtherLog):
    """A log in one piece.

    Parameters
    ----------
    rows : Rows
        All of it.
    """

    rows: Rows

    @property
    def name(self) -> str:
        """It has no path."""
        return "frame"

    @property
    def about(self) -> dict[str, Any]:
        """Nothing tells it from another: its results are kept nowhere."""
        return {"path": None, "fingerprint": None, "training": False}

    def pieces(self) -> Iterator[tuple[str, Rows]]:
        """All of it."""
        yield self.name, self.rows


def value_frame(
    run: OpenedRun, frame: pd.DataFrame, *, passes: int, skip_unknown: bool
) -> pd.DataFrame:
    """Value the rows of a frame as a log of its own.

    Parameters
    ----------
    run : OpenedRun
        Whose valuator; its config names columns and the least rating.
    frame : DataFrame
        One row per interaction.
    passes : int
        Random partitions into batches that values are averaged over.
    skip_unknown : bool
        Whether rows of unknown users and items are left out instead of refused.

    Returns
    -------
    DataFrame
        Row for row, with the frame's index: ids, and what ``dvr-ray values`` writes of their pair;
        NaN where a row is left out.

    Raises
    ------
    CheckpointError
        If the run learned no valuator.
    ConfigError
        If its inputs aren't features of rows.
    DataError
        If a column is missing, a row can't be read, or a user or item isn't known.
    """
    rows, ids = frame_rows(frame, run.config.data, "frame")
    log = FrameLog(run.config.data, run.catalogue, skip_unknown, rows)
    with tempfile.TemporaryDirectory(prefix="dvr-ray-") as name, _threads_kept():
        out = Path(name)
        found = value_log(Valuation(run, log, out, passes), InProcess(), lambda *_: None)
        parts = [
            parquet.read_table(out / part_name(number), columns=[*NUMBERS, *COLUMNS]).to_pandas()
            for number in range(found["parts"])
        ]
    asked = dict(zip(NUMBERS, numbers_of(run.catalogue, rows), strict=True))
    values = pd.DataFrame(asked).merge(pd.concat(parts), "left", NUMBERS)[COLUMNS]
    return pd.concat([ids, values.set_index(frame.index)], axis=1)


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Give torch back the threads that it had: values are computed with one."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
