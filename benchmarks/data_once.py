"""Memory of further trials on one machine, of a log that is there once.

    python benchmarks/data_once.py [--rows 2000000] [--trials 1 2 4] [--method dvr]

A generated log, which is put into Ray's object store as a sweep puts it, and so many trials at
once, each in a process of its own: it reads the log, then trains a warm-up epoch and one horizon
(2 masks). What only one process has ("unique", USS in /proc) is what a further trial costs; pages
of the object store that several processes have mapped don't count. The same with a tenth of the
rows, for as many users and items, says how much of it there is for each interaction: weights,
moments, torch and Python are in both and fall out. "read" is after the log was read to its last
row, "trained" the largest of the readings after each report.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import ray  # noqa: E402

from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.frame import from_frame  # noqa: E402
from dvr_ray.data.interactions import TrialData  # noqa: E402

USERS, ITEMS = 20_000, 5_000
MIB = 2**20
SETTINGS: dict[str, Any] = {
    "training.epochs": 2, "training.warmup": 1, "training.batch_size": 8192, "adapter.masks": 2,
    "backbone.dim": 16, "valuator.units": 16, "valuator.steps": 2,
}  # fmt: skip


def main() -> None:
    """Measure each number of trials, for all rows and a tenth of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--method", default="dvr")
    asked = parser.parse_args()
    config = apply(RunConfig(), SETTINGS | {"method": {"name": asked.method}})
    ray.init(num_cpus=max(asked.trials), include_dashboard=False, logging_level="ERROR")
    print("| training rows | trials | in the object store | unique MiB of each, read | trained |")
    print("|---|---|---|---|---|")
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for rows in (asked.rows // 10, asked.rows):
        data = made(config, rows)
        held = ray.put(data)
        stored = ray.experimental.get_object_locations([held])[held]["object_size"] / MIB
        found[len(data.train)] = {}
        for count in asked.trials:
            means = measured(config, held, count)
            found[len(data.train)][count] = means
            print(f"| {len(data.train):,} | {count} | {stored:.0f} MiB | {means[0] / MIB:.1f} | "
                  f"{means[1] / MIB:.1f} |", flush=True)  # fmt: skip
        del data, held
    (few, small), (many, large) = found.items()
    print("\nbytes of unique memory for each interaction and further trial")
    for count in asked.trials:
        read, trained = (
            (b - a) / (many - few) for a, b in zip(small[count], large[count], strict=True)
        )
        print(f"{count} trial(s): read {read:.1f}, trained {trained:.1f}")
    ray.shutdown()


def made(config: RunConfig, rows: int) -> TrialData:
    """Draw a log of about so many training rows, and prepare it as a sweep does."""
    import pandas as pd

    from dvr_ray.data.split import split
    from dvr_ray.training import prepare

    rng = np.random.default_rng(0)
    wanted = int(rows * 1.25)
    users = rng.integers(0, USERS, wanted)
    items = (ITEMS * rng.random(wanted) ** 1.5).astype(np.int64)
    log = from_frame(pd.DataFrame({"user": users, "item": items}))
    data, _ = split(log, config.split, config.data.noise, 0)
    return prepare.featured(data, config).indexed()


def measured(config: RunConfig, held: Any, count: int) -> tuple[float, float]:
    """Mean unique bytes of trials that run at once: after reading, and while training."""
    actors = [_Trial.remote() for _ in range(count)]
    read = ray.get([actor.read.remote(held) for actor in actors])
    trained = ray.get([actor.train.remote(config) for actor in actors])
    for actor in actors:
        ray.kill(actor)
    time.sleep(1)
    return float(np.mean(read)), float(np.mean(trained))


@ray.remote(num_cpus=1)
class _Trial:
    def read(self, data: TrialData) -> int:
        """Read every row."""
        import torch

        torch.set_num_threads(1)
        # Nobody writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        self._data = data
        for part in (data.train, data.reward, data.selection):
            assert part.users.sum() + part.items.sum() >= 0
        assert all(np.isfinite(block.sum()) for block in data.features.values())
        return _unique()

    def train(self, config: RunConfig) -> int:
        """Train, and look at the memory after each report."""
        import torch

        from dvr_ray.collective import OneProcess
        from dvr_ray.training.loop import Trainer

        trainer = Trainer(config, self._data, OneProcess(), torch.device("cpu"))
        reader = _Reader()
        with tempfile.TemporaryDirectory() as folder:
            trainer.fit(Path(folder), reader)
        return reader.most


class _Reader:
    most = 0

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self.most = max(self.most, _unique())


def _unique() -> int:
    """Bytes that no other process has, once what was freed has gone back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    private = [int(line.split()[1]) for line in lines if line.startswith("Private_")]
    return 1024 * sum(private)


if __name__ == "__main__":
    main()
