"""Work that was interrupted goes on where it was, and any number of workers say the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dvr_ray.errors import ConfigError
from dvr_ray.inference.job import Valuation, value_log
from dvr_ray.inference.reading import TrainingLog
from dvr_ray.inference.work import InProcess, Stage
from dvr_ray.training.opened import OpenedRun


class Counting:
    """Counts what is done, and can stop after so many."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.done: list[tuple[str, int]] = []
        self._stop_after = stop_after

    def run(self, stage: Stage, numbers: list[int]) -> Iterator[int]:
        for number in InProcess().run(stage, numbers):
            self.done.append((stage.name, number))
            if len(self.done) == self._stop_after:
                raise KeyboardInterrupt
            yield number


def small(opened: OpenedRun, out: Path, **options: Any) -> Valuation:
    log = TrainingLog(opened)
    return Valuation(opened, log, out, **{"block_rows": 500, "exact_rows": 0, **options})


def read(out: Path) -> list[pd.DataFrame]:
    return [pd.read_parquet(path) for path in sorted(out.glob("*.parquet"))]


def silent(*_: Any) -> None:
    """Tell nobody."""


@pytest.mark.parametrize("stop", [2, pytest.param(5, marks=pytest.mark.slow), 13])
def test_interrupted_work_goes_on(opened: OpenedRun, tmp_path: Path, stop: int) -> None:
    whole = Counting()
    value_log(small(opened, tmp_path / "whole"), whole, silent)
    with pytest.raises(KeyboardInterrupt):
        value_log(small(opened, tmp_path / "hurt"), Counting(stop), silent)
    rest = Counting()
    value_log(small(opened, tmp_path / "hurt"), rest, silent)
    assert sorted(rest.done) == sorted(whole.done[stop:])
    for one, other in zip(read(tmp_path / "whole"), read(tmp_path / "hurt"), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_complete_values_are_returned_and_damaged_ones_mended(
    opened: OpenedRun, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = value_log(small(opened, out), InProcess(), silent)
    again = Counting()
    assert value_log(small(opened, out), again, silent) == first and not again.done
    part = out / "part-00001.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-40])
    value_log(small(opened, out), InProcess(), silent)
    assert part.read_bytes() == whole


def test_a_folder_of_other_content_is_refused(opened: OpenedRun, tmp_path: Path) -> None:
    value_log(small(opened, tmp_path / "out"), InProcess(), silent)
    with pytest.raises(ConfigError, match="holds values of another run or log"):
        value_log(small(opened, tmp_path / "out", passes=3), InProcess(), silent)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds no values, got precious\.txt"):
        value_log(small(opened, tmp_path / "other"), InProcess(), silent)


@pytest.mark.slow
@pytest.mark.ray
def test_any_number_of_workers_says_the_same(opened: OpenedRun, tmp_path: Path) -> None:
    from dvr_ray.config.schema import ResourcesConfig
    from dvr_ray.distributed.batches import ActorPool
    from dvr_ray.distributed.cluster import connect, disconnect

    value_log(small(opened, tmp_path / "alone"), InProcess(), silent)
    connect(None, ResourcesConfig(workers=2))
    try:
        for workers in (1, 2):
            value_log(small(opened, tmp_path / str(workers)), ActorPool(workers), silent)
    finally:
        disconnect()
    alone = read(tmp_path / "alone")
    assert len(alone) > 5
    for name in ("1", "2"):
        for one, other in zip(alone, read(tmp_path / name), strict=True):
            pd.testing.assert_frame_equal(one, other)


KILLED = """
import sys
from pathlib import Path
from dvr_ray.inference import job
from dvr_ray.inference.reading import TrainingLog
from dvr_ray.training.opened import open_run
from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.distributed.batches import ActorPool
from dvr_ray.distributed.cluster import connect, disconnect

opened = open_run(Path(sys.argv[1]))
wanted = job.Valuation(
    opened, TrainingLog(opened), Path(sys.argv[2]), block_rows=500, exact_rows=0
)
connect(None, ResourcesConfig(workers=2))
job.value_log(wanted, ActorPool(2), lambda name, done, count: print(name, done, flush=True))
disconnect()
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_job_goes_on(opened: OpenedRun, tmp_path: Path) -> None:
    out = tmp_path / "hurt"
    command = [sys.executable, "-c", KILLED, str(opened.folder), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("features") and int(line.split()[1]) >= 2:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)
    rest = Counting()
    value_log(small(opened, out), rest, silent)
    stages = {name for name, _ in rest.done}
    assert "whole log" not in stages and "values" in stages
    assert sum(name == "features" for name, _ in rest.done) < len(read(out))
    value_log(small(opened, tmp_path / "whole"), InProcess(), silent)
    for one, other in zip(read(tmp_path / "whole"), read(out), strict=True):
        pd.testing.assert_frame_equal(one, other)
