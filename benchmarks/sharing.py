"""Seconds per horizon of one worker, of workers that share batches, and of such that share masks.

    python benchmarks/sharing.py --data ../shared/data/lastfm-hetrec
        [--workers 2] [--masks 4 8] [--set backbone.name=lightgcn] [--horizons 5]

The run of `search_spaces/lastfm.yaml` with horizons and valuator steps of the defaults (2 epochs
from the current model, 20 steps). Everything that a horizon does counts: values, training of K
replicas and the control, rewards, learning and selection. Workers are gloo processes of one thread
each on this machine, without Ray, which only starts them. Beside wall seconds stand the processor
seconds of the busiest worker: what a horizon would take if each worker had a core of its own and
the others never kept it waiting.
Figures are medians over horizons, the first one left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.collective import Collective, OneProcess  # noqa: E402
from dvr_ray.config.load import load_run  # noqa: E402
from dvr_ray.distributed.collective import TorchCollective  # noqa: E402
from dvr_ray.training.loop import Trainer  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

SETTINGS = [
    "training.warmup=1", "training.epochs=1000", "adapter.horizon={epochs: 2, start: current}",
    "valuator.steps=20",
]  # fmt: skip


def main() -> None:
    """Measure each mode for each number of masks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--masks", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--horizons", type=int, default=5)
    parser.add_argument("--set", dest="fields", action="append", default=[], metavar="PATH=VALUE")
    asked = parser.parse_args()
    print("| masks | workers | share | wall seconds | busiest worker's processor seconds |")
    print("|---|---|---|---|---|")
    settings = [*SETTINGS, f"data.path={asked.data.resolve()}", *asked.fields]
    for masks in asked.masks:
        fields = [*settings, f"adapter.masks={masks}"]
        modes = ((1, "batches"), (asked.workers, "batches"), (asked.workers, "masks"))
        for workers, parallel in modes:
            wall, busiest = measured(fields, workers, parallel, asked.horizons)
            shared = parallel if workers > 1 else "-"
            print(f"| {masks} | {workers} | {shared} | {wall:.2f} | {busiest:.2f} |", flush=True)


def measured(fields: list[str], workers: int, parallel: str, horizons: int) -> tuple[float, float]:
    """Median wall seconds of a horizon, and processor seconds of the busiest worker."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_worker, (workers, folder, fields, parallel, horizons), nprocs=workers)
        times = torch.stack([torch.load(Path(folder) / f"{rank}.pt") for rank in range(workers)])
    wall, busy = times.median(1).values.amax(0).tolist()
    return wall, busy


def _worker(
    rank: int, workers: int, folder: str, fields: list[str], parallel: Any, horizons: int
) -> None:
    torch.set_num_threads(1)
    group: Collective = OneProcess()
    if workers > 1:
        place = (Path(folder) / "rendezvous").as_uri()
        dist.init_process_group("gloo", init_method=place, rank=rank, world_size=workers)
        group = TorchCollective()
    config = load_run(REPOSITORY / "search_spaces" / "lastfm.yaml", fields)
    trainer = Trainer(config, prepare(config)[0], group, torch.device("cpu"), parallel=parallel)
    times = []
    for _ in range(2 + horizons):
        started, busy = time.perf_counter(), time.process_time()
        trainer._period()
        times.append([time.perf_counter() - started, time.process_time() - busy])
    torch.save(torch.tensor(times[2:]), Path(folder) / f"{rank}.pt")
    if workers > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
