"""An epoch of BPRMF on Gowalla with each negative sampler, beside one with uniform negatives.

    python benchmarks/negatives.py --data ../shared/data/gowalla [--only best-of adaptive]

64 dimensions, batch 4096, one thread, drawing included. Seconds are of the processor, so that other
work on the machine counts little. Each sampler has a process of its own, which trains its epochs
and uniform ones in turn and reports the median of the ratios. Peak memory is the process's largest
resident set at the end of its own first epoch, data and Python included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.epoch import BATCH, CPU, DIM, epoch  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.learner import LossRecord  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

SAMPLERS: list[dict[str, Any]] = [
    {"name": "uniform"},
    {"name": "uniform", "count": 5},
    {"name": "uniform", "count": 256, "shared": True},
    {"name": "popularity"},
    {"name": "popularity", "count": 256, "shared": True},
    {"name": "best-of", "candidates": 8},
    {"name": "best-of", "candidates": 256, "shared": True},
    {"name": "adaptive"},
    {"name": "importance", "proposal": "uniform"},
    {"name": "importance", "proposal": "popularity"},
    {"name": "importance", "proposal": "cluster"},
    {"name": "importance", "proposal": "uniform", "count": 256, "shared": True},
]


class Epochs:
    """Epochs with one sampler on a model of its own."""

    def __init__(self, config: RunConfig, data: Any, sampler: dict[str, Any]) -> None:
        changed = apply(config, {"negatives": sampler})
        parts = build(changed, data, OneProcess(), CPU)
        self._learner = parts.learner(0)
        self._planner = Planner(changed, data.train, parts.negatives, CPU)
        self._record = LossRecord(len(data.train), OneProcess())
        self._done = 0

    def seconds(self) -> float:
        """Train one epoch; return its seconds of the processor."""
        started = time.process_time()
        batches = self._planner.cut("order", self._done)
        epoch(self._learner, self._planner.walk(batches, self._done), self._record)
        self._done += 1
        return time.process_time() - started


def measured(job: tuple[str, int, dict[str, Any]]) -> tuple[float, float, float, float]:
    """Return seconds, uniform seconds, ratio and peak MiB of one sampler; in its own process."""
    path, turns, sampler = job
    torch.set_num_threads(1)
    config = apply(RunConfig(), {
        "data.source": "lightgcn", "data.path": path, "backbone": {"name": "bprmf", "dim": DIM},
        "method": {"name": "bpr"}, "training.batch_size": BATCH, "training.lr": 2e-3,
    })  # fmt: skip
    data, _ = prepare(config)
    own = Epochs(config, data, sampler)
    own.seconds()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    other = Epochs(config, data, {"name": "uniform"})
    other.seconds()
    pairs = [(own.seconds(), other.seconds()) for _ in range(turns)]
    return (
        median(mine for mine, _ in pairs),
        median(uniform for _, uniform in pairs),
        median(mine / uniform for mine, uniform in pairs),
        peak,
    )


def main() -> None:
    """Measure what was asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", nargs="*", help="names of samplers")
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    path = str(Path(asked.data).resolve())
    print("| negatives | epoch | uniform epoch beside it | ratio | peak memory |")
    print("|---|---|---|---|---|")
    processes = multiprocessing.get_context("spawn")
    for sampler in SAMPLERS:
        if asked.only and sampler["name"] not in asked.only:
            continue
        with processes.Pool(1) as pool:
            job = (path, asked.turns, sampler)
            seconds, uniform, ratio, peak = pool.map(measured, [job])[0]
        written = ", ".join(f"{key}: {value}" for key, value in sampler.items()).lower()
        times = f"{seconds:.2f} s | {uniform:.2f} s | {ratio:.2f}"
        print(f"| `{{{written}}}` | {times} | {peak:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
