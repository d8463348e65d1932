"""Values of a whole log: those of the run, whatever the blocks, and the same features in stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from dvr_ray.inference.job import Valuation, value_log
from dvr_ray.inference.reading import TrainingLog
from dvr_ray.inference.work import InProcess
from dvr_ray.training.opened import OpenedRun


def silent(name: str, done: int, count: int) -> None:
    """Tell nobody."""


def valued(opened: OpenedRun, out: Path, **options: Any) -> pd.DataFrame:
    """Value the training rows, in the order of the run's own table."""
    wanted = Valuation(opened, TrainingLog(opened), out, **options)
    manifest = value_log(wanted, InProcess(), silent)
    table = pd.concat([pd.read_parquet(path) for path in sorted(out.glob("*.parquet"))])
    assert manifest["parts"] == len(list(out.glob("*.parquet")))
    assert not (out / ".work").exists()
    return table.sort_values(["user_number", "item_number"], ignore_index=True)


def test_values_of_one_block_are_those_of_the_run(opened: OpenedRun, tmp_path: Path) -> None:
    found = valued(opened, tmp_path / "out")
    wanted = pd.read_parquet(opened.folder / "values.parquet")
    for name in ("user", "item"):
        np.testing.assert_array_equal(found[name], wanted[name])
    for name in ("value", "probability", "mean_loss"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found["rank"], rankdata(wanted["value"], "min"))
    assert (found["standard_error"] >= 0).all()


@pytest.mark.parametrize("exact", [10**6, 0])
def test_values_of_several_blocks_differ_by_their_standard_error(
    opened: OpenedRun, tmp_path: Path, exact: int
) -> None:
    found = valued(opened, tmp_path / "out", block_rows=700, exact_rows=exact, passes=8)
    wanted = pd.read_parquet(opened.folder / "values.parquet")
    np.testing.assert_array_equal(found["item"], wanted["item"])
    assert np.corrcoef(found["value"], wanted["value"])[0, 1] > 0.95
