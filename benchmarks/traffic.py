"""Bytes that workers send to each other, beside the formulas of `docs/scale.md`.

    python benchmarks/traffic.py --data ../shared/data/lastfm-hetrec [--workers 2 4] [--only bprmf]
        [--csv traffic.csv]
    python benchmarks/traffic.py --catalogue 10000 100000 1000000 [--workers 2]
    unshare -rn sh -c "ip link set lo up; python benchmarks/traffic.py --data ... --wire"

Workers are gloo processes of one thread each on this machine. An epoch of plain BPR is measured
without evaluation; a horizon of DVR (the defaults: 4 masks, 2 epochs, 20 steps of the valuator)
with all that belongs to it. MB are 10^6 bytes that one worker sends, as its collective counts them.
The formulas know the log, its batches, and of the run only the share of rows that masks keep.

``--catalogue`` trains an epoch of BPR on logs drawn with ever more items and as many rows: bytes
must follow the batch. ``--wire`` adds what the network's own counter says, of all workers together;
the counter must be one's own, hence the third form (Linux).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.formulas import Run, epoch_bytes, horizon_bytes  # noqa: E402
from dvr_ray.collective import Collective, OneProcess  # noqa: E402
from dvr_ray.config.load import load_run  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.interactions import Interactions, TrialData  # noqa: E402
from dvr_ray.distributed.collective import TorchCollective  # noqa: E402
from dvr_ray.training.loop import Trainer  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

SPACE = REPOSITORY / "search_spaces" / "lastfm.yaml"
DEFAULTS = [
    "training.warmup=1", "training.epochs=1000", "adapter.horizon={epochs: 2, start: current}",
    "adapter.masks=4", "valuator.steps=20",
]  # fmt: skip
BACKBONES = {
    "bprmf": "backbone={name: bprmf, dim: 64}",
    "neumf": "backbone={name: neumf}",
    "lightgcn": "backbone={name: lightgcn, dim: 64, layers: 3}",
}
EPOCH, SHARED, MASKS = "epoch of BPR", "horizon, batches", "horizon, masks"
CASES = [
    ("bprmf", EPOCH), ("neumf", EPOCH), ("lightgcn", EPOCH),
    ("bprmf", SHARED), ("lightgcn", SHARED), ("bprmf", MASKS), ("lightgcn", MASKS),
]  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What is measured: an epoch or a horizon of a run; its data where they aren't read."""

    name: dict[str, Any]
    form: str
    fields: list[str]
    data: TrialData | None = None

    def loaded(self) -> tuple[RunConfig, TrialData]:
        """Return the run and its data."""
        config = load_run(SPACE, self.fields)
        return config, self.data or prepare(config)[0]


@dataclass
class Measured:
    """Of one worker: an epoch or a horizon."""

    batches: int
    calls: int
    sent: int
    wire: int
    wall: float
    processor: float
    keep_rate: float


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--only", nargs="+", default=[*BACKBONES])
    parser.add_argument("--catalogue", type=int, nargs="+", default=[])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--set", dest="fields", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--wire", action="store_true")
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    if not asked.catalogue and asked.data is None:
        parser.error("give --data or --catalogue")
    jobs = _catalogues(asked) if asked.catalogue else _forms(asked)
    runs = [Run.of(*job.loaded()) for job in jobs]
    found = []
    for workers in asked.workers:
        for job, run, measured in zip(jobs, runs, group(jobs, workers), strict=True):
            found.append(job.name | _row(job, run, workers, measured))
    table = pd.DataFrame(found)
    if not asked.wire:
        table = table.drop(columns="on the wire")
    show(table, asked.csv)


def _catalogues(asked: argparse.Namespace) -> list[Job]:
    fields = ["method.name=bpr", BACKBONES["bprmf"], *asked.fields]
    return [
        Job({"items": items}, EPOCH, fields, generated(items // 10, items, asked.rows))
        for items in asked.catalogue
    ]


def _forms(asked: argparse.Namespace) -> list[Job]:
    known = [*DEFAULTS, f"data.path={asked.data.resolve()}"]
    jobs = []
    for backbone, form in CASES:
        if backbone in asked.only:
            method = ["method.name=bpr"] if form == EPOCH else []
            fields = [*known, BACKBONES[backbone], *method, *asked.fields]
            jobs.append(Job({"backbone": backbone, "what": form}, form, fields))
    return jobs


def generated(users: int, items: int, rows: int, seed: int = 0) -> TrialData:
    """Draw a log whose items have pulls of rank ** -.8, and parts that are hardly there."""
    rng = np.random.default_rng(seed)
    pull = np.cumsum(np.arange(1, items + 1) ** -0.8)
    drawn = np.searchsorted(pull / pull[-1], rng.random(2 * rows))
    log = Interactions.from_pairs(rng.integers(users, size=2 * rows), drawn, users, items)
    kept = np.sort(rng.permutation(len(log))[: rows + 2])
    parts = [kept[:-2], kept[-2:-1], kept[-1:]]
    train, reward, selection = (
        Interactions(log.users[part], log.items[part], users, items) for part in parts
    )
    none = np.empty(0, dtype=np.int64)
    ids = np.arange(users), np.arange(items)
    tables = [pd.DataFrame(index=numbers) for numbers in ids]
    name = f"generated {users} x {items}"
    return TrialData(name, name, train, reward, selection, None, none, *ids, *tables)


def _row(job: Job, run: Run, workers: int, measured: list[Measured]) -> dict[str, Any]:
    first = measured[0]
    count = epoch_bytes if job.form == EPOCH else horizon_bytes
    said = count(run, workers, keep_rate=first.keep_rate, masks=job.form == MASKS)
    every = sum(one.sent for one in measured)
    return {
        "workers": workers,
        "batches": first.batches,
        "operations": first.calls,
        "MB": round(first.sent / 1e6, 3),
        "KB a batch": round(first.sent / 1e3 / first.batches, 1),
        "formula, MB": round(said / 1e6, 3),
        "of formula": round(first.sent / said, 3) if said else "-",
        "on the wire": round(first.wire / every, 3) if every else "-",
        "seconds": round(first.wall, 2),
        "busiest worker": round(max(one.processor for one in measured), 2),
    }


def group(jobs: list[Job], workers: int) -> list[list[Measured]]:
    """Do jobs in a group of fresh processes; what each worker measured, job by job."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_worker, (workers, folder, jobs), nprocs=workers)
        found = [
            torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(workers)
        ]
    return [[Measured(**one) for one in measured] for measured in zip(*found, strict=True)]


def _worker(rank: int, workers: int, folder: str, jobs: list[Job]) -> None:
    torch.set_num_threads(1)
    shared: Collective = OneProcess()
    if workers > 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        place = (Path(folder) / "rendezvous").as_uri()
        dist.init_process_group("gloo", init_method=place, rank=rank, world_size=workers)
        shared = TorchCollective()
    found = []
    for job in jobs:
        parallel: Any = "masks" if job.form == MASKS else "batches"
        trainer = Trainer(*job.loaded(), shared, torch.device("cpu"), parallel=parallel)
        found.append(asdict(_measured(trainer, shared, job.form == EPOCH)))
    torch.save(found, Path(folder) / f"{rank}.pt")
    if workers > 1:
        dist.barrier()
        dist.destroy_process_group()


def _measured(trainer: Trainer, shared: Collective, plain: bool) -> Measured:
    """Measure the last of three epochs, or of three periods of which the first is warm-up."""
    keep_rate = 1.0
    for number in range(3):
        shared.sum_(torch.zeros(1))  # nobody begins before the others are ready
        before = shared.traffic.calls, shared.traffic.sent
        wire, wall, busy = _wire(), time.perf_counter(), time.process_time()
        if plain:
            _epoch(trainer, number)
        else:
            keep_rate = trainer._period().get("keep_rate", 1.0)
        taken = time.perf_counter() - wall, time.process_time() - busy
        calls, sent = shared.traffic.calls - before[0], shared.traffic.sent - before[1]
        shared.sum_(torch.zeros(1))
        wire = _wire() - wire
    batches = -(-len(trainer.data.train) // trainer.config.training.batch_size)
    epochs = 1 if plain else trainer.config.adapter.horizon.epochs
    return Measured(batches * epochs, calls, sent, wire, *taken, keep_rate)


def _epoch(trainer: Trainer, number: int) -> None:
    """Train, and merge the losses."""
    walked = trainer._planner.walk(trainer._planner.order(number), number)
    trainer._replicas.train(walked, trainer._record)
    trainer._record.merge()


def _wire() -> int:
    """Bytes that went out over the loopback interface so far."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[9]) for line in lines if line.strip().startswith("lo:"))


def show(table: pd.DataFrame, file: Path | None) -> None:
    """Print a table as Markdown; write it as CSV where a file is given."""
    print("| " + " | ".join(table.columns) + " |")
    print("|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(str(value) for value in row) + " |")
    if file is not None:
        table.to_csv(file, index=False)


if __name__ == "__main__":
    main()
