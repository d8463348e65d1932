"""`DVR.value` of a frame: what ``dvr-ray values`` writes of the same rows, row for row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from valued_logs import new_rows, valued, write

from dvr_ray import DVR
from dvr_ray.training.opened import OpenedRun

WRITTEN = ["value", "standard_error", "probability", "mean_loss", "rank"]


def test_a_frame_is_valued_as_its_file(opened: OpenedRun, tmp_path: Path) -> None:
    rows = new_rows(count=700)
    written = valued(opened, write(rows, tmp_path / "log.csv"), tmp_path / "out")
    shuffled = rows.sample(frac=1, random_state=0)
    threads = torch.get_num_threads()
    found = DVR.load(opened.folder).value(shuffled)
    assert found.index.equals(shuffled.index) and torch.get_num_threads() == threads
    assert len(found) > len(written)  # repeats have the value of their pair
    wanted = shuffled[["user", "item"]].merge(written, "left", ["user", "item"])
    for name in ("user", "item", *WRITTEN):
        np.testing.assert_array_equal(found[name], wanted[name])


def test_rows_of_unknown_users_are_left_without_a_value(opened: OpenedRun) -> None:
    rows = new_rows(count=200)
    strange = pd.concat([rows, rows.head(1).assign(user=999)], ignore_index=True)
    model = DVR.load(opened.folder)
    found = model.value(strange, passes=1, skip_unknown=True)
    assert found[WRITTEN].iloc[-1].isna().all()
    np.testing.assert_array_equal(found["value"][:-1], model.value(rows, passes=1)["value"])
