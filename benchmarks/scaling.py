"""What a step of BPRMF would take on W workers, up to 256: computed, not run on so many.

    python benchmarks/scaling.py [--data ../shared/data/gowalla] [--batch 2048 65536]
        [--gbit 25] [--latency 50] [--csv scaling.csv]
        [--set "negatives={name: uniform, count: 16}"]

Without a folder the log is drawn (500,000 users, 100,000 items, 2 million rows, pulls of
rank ** -.8). Real: the batches, every worker's share of them, the rows that it touches, and the
processor time of one thread of this machine for

* what is divided: losses and gradients of a share (median over workers);
* what every worker does: summing all workers' rows and stepping on them.

Of each, the least of some batches counts. Computed: the network, as rings of W - 1 rounds, each
with a latency (microseconds) and a message's bytes at a bandwidth (Gbit/s, one way). Nothing waits
for stragglers, nothing overlaps, and what packing takes is left out. The last column is an epoch of
10^9 rows at that rate.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.formulas import ROOM, gathered, summed  # noqa: E402
from benchmarks.traffic import BACKBONES, SPACE, generated, show  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import load_run  # noqa: E402
from dvr_ray.training.batched import Stack  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.exchange import Rows, sum_rows  # noqa: E402
from dvr_ray.training.learner import Batch  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

BATCHES = 6
FAR = 1_000_000_000


class _Place(OneProcess):
    """One of W workers, who asks nobody."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@dataclass
class Network:
    """Bandwidth in bytes and latency in seconds."""

    bandwidth: float
    latency: float

    def seconds(self, rooms: list[float], sizes: list[int], width: int, workers: int) -> Any:
        """Seconds and bytes a worker of the step's one operation, as the exchange chooses it."""
        message = 4 * (len(rooms) + sum(rooms) * (1 + width))
        whole = 4 * sum(sizes) * (1 + width)
        sent = min(gathered(message, workers), summed(whole, workers))
        rounds = (workers - 1) * (2 if sent < gathered(message, workers) else 1)
        return rounds * self.latency + sent / self.bandwidth, sent


def main() -> None:
    """Compute a table for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--source", default="lightgcn")
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--batch", type=int, nargs="+", default=[2048, 65_536])
    parser.add_argument("--workers", type=int, nargs="+", default=[2**k for k in range(9)])
    parser.add_argument("--gbit", type=float, default=25)
    parser.add_argument("--latency", type=float, default=50)
    parser.add_argument("--set", dest="fields", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    network = Network(asked.gbit * 1e9 / 8, asked.latency / 1e6)
    given = (
        []
        if asked.data is None
        else [f"data.path={asked.data.resolve()}", f"data.source={asked.source}"]
    )
    fields = ["method.name=bpr", BACKBONES["bprmf"], *given, *asked.fields]
    data = None if asked.data else generated(asked.users, asked.items, asked.rows)
    found = []
    for size in asked.batch:
        config = load_run(SPACE, [*fields, f"training.batch_size={size}"])
        data = data or prepare(config)[0]
        rows = list(_simulated(config, data, asked.workers, network))
        found += rows
        print(_stops(size, rows), flush=True)
    show(pd.DataFrame(found), asked.csv)


def _simulated(
    config: Any, data: Any, sizes: list[int], network: Network
) -> Iterator[dict[str, Any]]:
    parts = build(config, data, OneProcess(), torch.device("cpu"))
    planner = Planner(config, data.train, parts.negatives, torch.device("cpu"))
    batches = list(itertools.islice(planner.walk(planner.order(0), 0), 1 + BATCHES))
    stack = Stack([parts.learner(0)], OneProcess(), parts.negatives)
    tables = [data.train.num_users, data.train.num_items]
    _step(stack, batches[0], 1)
    # In turns, so that busy neighbours disturb all sizes alike; they can only add.
    taken = [[_step(stack, batch, workers) for workers in sizes] for batch in batches[1:]]
    alone = 0.0
    for workers, steps in zip(sizes, zip(*taken, strict=True), strict=True):
        divided, common = (min(step[place] for step in steps) for place in (0, 1))
        rooms = [ROOM * max(step[2][side] for step in steps) for side in (0, 1)]
        waiting, sent = network.seconds(rooms, tables, config.backbone.dim, workers)
        step = divided + common + waiting
        alone = alone or step
        size = config.training.batch_size
        yield {
            "batch": size,
            "workers": workers,
            "rows of a share": round(sum(rooms) / ROOM),
            "MB a step": round(sent / 1e6, 3),
            "divided, ms": round(1e3 * divided, 2),
            "everybody's, ms": round(1e3 * common, 2),
            "network, ms": round(1e3 * waiting, 2),
            "step, ms": round(1e3 * step, 2),
            "speed-up": round(alone / step, 2),
            "efficiency": round(alone / step / workers, 3),
            "hours for 10^9 rows": round(FAR / size * step / 3600, 2),
        }


def _step(stack: Stack, batch: Batch, workers: int) -> tuple[float, float, list[int]]:
    """Take one step as W workers would; seconds of a share and of all, rows of a share."""
    times, shares = [], []
    for rank in range(workers):
        started = time.process_time()
        own, total = batch.share(None, _Place(rank, workers))
        triplets = stack._triplets([own], [total])
        _, slopes = stack._losses(triplets, stack._chosen([own]))
        shares.append(stack._gradients(triplets, slopes))
        times.append(time.process_time() - started)
    started = time.process_time()
    stack._move([_together(side) for side in zip(*shares, strict=True)], [len(batch.rows)])
    common = time.process_time() - started
    most = [max(len(one.rows) for one in side) for side in zip(*shares, strict=True)]
    return median(times), common, most


def _together(shares: tuple[Rows, ...]) -> Rows:
    if len(shares) == 1:
        return shares[0]
    return sum_rows(
        torch.cat([one.rows for one in shares]), torch.cat([one.values for one in shares])
    )


def _stops(size: int, rows: list[dict[str, Any]]) -> str:
    best = min(rows, key=lambda row: row["step, ms"])
    half = [row["workers"] for row in rows if row["efficiency"] >= 0.5]
    return (
        f"batch {size}: fastest with {best['workers']} workers, {best['speed-up']} times one; "
        f"at least half of each is used up to {max(half)}"
    )


if __name__ == "__main__":
    main()
