"""Cost of K replicas against K runs of plain BPR; part of `benchmarks/epoch.py`, which runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from dvr_ray.collective import OneProcess
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.training.batched import Stack
from dvr_ray.training.build import Parts, build
from dvr_ray.training.learner import Batch, LossRecord
from dvr_ray.training.planning import Planner

K, KEPT = 4, 0.7
SIZES, TURNS = (4096, 2048, 1024), 60  # the largest first: memory that was freed hides its peak
CPU = torch.device("cpu")


def replicas(config: RunConfig, data: Any, clock: Callable[[], float]) -> None:
    """K replicas against K runs."""
    for size in SIZES:
        changed = apply(config, {"training.batch_size": size})
        parts = build(changed, data, OneProcess(), CPU)
        planner = Planner(changed, data.train, parts.negatives, CPU)
        batches = list(planner.walk(planner.cut("order", 0), 0))
        record = LossRecord(len(data.train), OneProcess())
        if size == SIZES[0]:
            memory(parts, record, batches)
        found = turns(replica_steps(parts, record), batches[:TURNS], clock)
        for name, taken in found.items():
            ratio = taken / found["plain BPR"] / K
            epoch = taken * len(batches)
            print(f"B={size} {name}: epoch {epoch:.2f} s, {ratio:.2f} K runs", flush=True)


def replica_steps(parts: Parts, record: LossRecord) -> dict[str, Callable[[Batch, Any], None]]:
    """Return what takes turns: each steps once on a batch, given K masks."""
    one, batched, whole = stack(parts, 1), stack(parts, K), stack(parts, K)
    alone, single = [stack(parts, 1) for _ in range(K)], parts.learner(0)

    def by_one(batch: Batch, kept: Any) -> None:
        for replica, mask in zip(alone, kept, strict=True):
            replica.step(batch, [mask], [record])

    return {
        "plain BPR": lambda batch, kept: one.step(batch, [None], [record]),
        "plain BPR by autograd": lambda batch, kept: single.step(batch, record),
        f"{K} one by one, keep {KEPT}": by_one,
        f"{K} batched, keep {KEPT}": lambda batch, kept: batched.step(batch, kept, [record] * K),
        f"{K} batched, keep 1": lambda batch, kept: whole.step(batch, [None] * K, [record] * K),
    }


def stack(parts: Parts, number: int) -> Stack:
    """Return new learners that share a computation."""
    learners = [parts.learner(0) for _ in range(number)]
    return Stack(learners, OneProcess(), parts.negatives)


def memory(parts: Parts, record: LossRecord, batches: list[Batch]) -> None:
    """Print what K replicas add to the resident set at the peak of 20 steps."""
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    before = resident("VmHWM")
    replicas = stack(parts, K)
    for batch in batches[:20]:
        replicas.step(batch, [None] * K, [record] * K)
    state = replicas.learners[0].tensors().values()
    held = K * sum(tensor.nbytes for tensor in state) / 2**20
    print(
        f"{K} batched replicas: {held:.0f} MiB of weights and moments; with them "
        f"{resident('VmHWM') - before:.0f} MiB at the peak of a step",
        flush=True,
    )


def resident(name: str) -> float:
    """Return a line of this process's status, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def turns(
    variants: dict[str, Callable[[Batch, Any], None]],
    batches: list[Batch],
    clock: Callable[[], float],
) -> dict[str, float]:
    """Median seconds of a batch for each variant; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for batch in batches:
        masks = list(torch.rand(K, len(batch.rows)) < KEPT)
        for name, step in variants.items():
            started = clock()
            step(batch, masks)
            times[name].append(clock() - started)
    return {name: median(taken[3:]) for name, taken in times.items()}
