"""Memory that a worker needs per training row and per row of a table, by differences.

    python benchmarks/worker_memory.py [--rows 400000] [--masks 4]

Peak memory of a process that trains an epoch of warm-up and a horizon of DVR (BPRMF, 64
dimensions, batched replicas and the control) on drawn logs: one, one with twice the rows, and one
with ten times the users and items. Input features are 8 columns of noise, since what they are makes
no difference here.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.traffic import BACKBONES, DEFAULTS, SPACE, generated  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import load_run  # noqa: E402
from dvr_ray.training.loop import Trainer  # noqa: E402

COLUMNS = 8
USERS, ITEMS = 10_000, 5_000


def main() -> None:
    """Measure three logs, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--masks", type=int, default=4)
    asked = parser.parse_args()
    sizes = [(1, 1), (2, 1), (1, 10)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        jobs = [(asked.rows * rows, tables, asked.masks) for rows, tables in sizes]
        small, more_rows, more_tables = pool.map(peak, jobs, chunksize=1)
    by_row = (more_rows - small) / asked.rows
    by_table_row = (more_tables - small) / (9 * (USERS + ITEMS))
    print(f"{by_row:.0f} bytes a training row (K = {asked.masks}, {COLUMNS} input columns)")
    print(
        f"{by_table_row:.0f} bytes a user or item, {by_table_row / 64 / 4:.1f} times its 64 floats"
    )


def peak(job: tuple[int, int, int]) -> int:
    """Peak memory of this process in bytes, after a horizon."""
    rows, tables, masks = job
    torch.set_num_threads(1)
    data = generated(USERS * tables, ITEMS * tables, rows)
    noise = np.random.default_rng(0).standard_normal((len(data.train), COLUMNS), dtype=np.float32)
    data.features["counts"] = noise
    fields = [*DEFAULTS, BACKBONES["bprmf"], f"adapter.masks={masks}", "encoder.features=[counts]"]
    config = load_run(SPACE, [*fields, "training.batch_size=65536", "adapter.reward=loss"])
    trainer = Trainer(config, data, OneProcess(), torch.device("cpu"))
    for _ in range(2):
        trainer._period()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
