"""Speed on Gowalla as ratios to bare-torch limits measured in the same run.

    python benchmarks/epoch.py --data ../shared/data/gowalla
        [--only bpr evaluation dvr replicas quality]

* bpr: one epoch of plain BPR (64 dimensions, batch 4096) against a bare loop of the same gathers
  and row updates of Adam (goal 1.5);
* evaluation: ndcg@20 and recall@20 of validation-selection users against chunked matmul + topk of
  the same users (goal 1.3);
* dvr: one epoch of DVR with one mask against one of BPR, valuation, reward and updates included
  (goal 1.5);
* replicas: one epoch of K = 4 replicas, one by one and batched, against K epochs of plain BPR in
  the same trainer, at three batch sizes (goal .7). Also against a learner that steps by autograd,
  as backbones that can't share a computation do. The variants take turns in the same process, each
  with tables of its own. ``--threads 1 --clock process`` counts processor time, which busy
  neighbours change least;
* quality: best validation ndcg@20 within some epochs of row-wise and of dense Adam, each at the
  best of the same learning rates.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.replicas import replicas, resident, stack  # noqa: E402
from dvr_ray.backbones import Backbone  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.training.batched import Stack  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.evaluation import Evaluator  # noqa: E402
from dvr_ray.training.learner import Batch, Learner, LossRecord  # noqa: E402
from dvr_ray.training.loop import Trainer  # noqa: E402
from dvr_ray.training.optimiser import BackboneOptimiser  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

DIM, BATCH, LR = 64, 4096, 1e-3
RATES = (1e-3, 2e-3, 4e-3, 8e-3)
CPU = torch.device("cpu")


def seconds(function: Callable[[], Any], times: int = 3) -> float:
    """Median wall time after one call to warm up."""
    function()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return median(taken)


def bare_epoch(
    batches: Any, tables: list[torch.Tensor], moments: list[Any], step: list[int]
) -> None:
    """The same gathers, BPR gradient and Adam row updates, written by hand."""
    first, second, eps = 0.9, 0.999, 1e-8
    for batch in batches:
        u, i, j = batch.users, batch.positives, batch.drawn[:, 0]
        step[0] += 1
        pu, qi, qj = tables[0][u], tables[1][i], tables[1][j]
        slope = -torch.sigmoid(-(pu * (qi - qj)).sum(1)) / len(u)
        gradients = (slope[:, None] * (qi - qj), slope[:, None] * pu)
        for table, (m, v), index, gradient in (
            (tables[0], moments[0], u, gradients[0]),
            (tables[1], moments[1], torch.cat([i, j]), torch.cat([gradients[1], -gradients[1]])),
        ):
            unique, place = torch.unique(index, return_inverse=True)
            total = torch.zeros(len(unique), DIM).index_add_(0, place, gradient)
            m[unique] = mean = m[unique].mul_(first).add_(total, alpha=1 - first)
            v[unique] = square = v[unique].mul_(second).addcmul_(total, total, value=1 - second)
            scale = (square / (1 - second ** step[0])).sqrt_().add_(eps)
            table[unique] -= LR / (1 - first ** step[0]) * mean / scale


def epoch(learner: Learner, batches: Iterable[Batch], record: LossRecord) -> None:
    """Train on all rows of all batches."""
    for batch in batches:
        learner.step(batch, record)


def stacked(alone: Stack, batches: Iterable[Batch], record: LossRecord) -> None:
    """Train on all rows of all batches as the trainer trains one learner."""
    for batch in batches:
        alone.step(batch, [None], [record])


def bpr(config: RunConfig, data: Any) -> None:
    """Epoch of plain BPR against the bare loop."""
    parts = build(config, data, OneProcess(), CPU)
    learner = stack(parts, 1)
    planner = Planner(config, data.train, parts.negatives, CPU)
    batches = list(planner.walk(planner.cut("order", 0), 0))
    record = LossRecord(len(data.train), OneProcess())
    sizes = (data.train.num_users, data.train.num_items)
    tables = [torch.randn(size, DIM) * 0.1 for size in sizes]
    moments = [(torch.zeros(size, DIM), torch.zeros(size, DIM)) for size in sizes]
    bare = seconds(lambda: bare_epoch(batches, tables, moments, [0]))
    whole = seconds(lambda: stacked(learner, planner.walk(planner.cut("order", 0), 0), record))
    loop = seconds(lambda: stacked(learner, batches, record))
    print(
        f"BPR epoch {loop:.2f} s, with drawing {whole:.2f} s, bare loop {bare:.2f} s: ratio "
        f"{loop / bare:.2f} (with drawing {whole / bare:.2f})",
        flush=True,
    )


def evaluation(config: RunConfig, data: Any) -> None:
    """Full ranking against chunked matmul + topk."""
    backbone = build(config, data, OneProcess(), CPU).learner(0).backbone
    evaluator = Evaluator([data.train], {"selection": data.selection}, OneProcess())
    users = torch.from_numpy(np.flatnonzero(data.selection.user_counts))
    left, right = backbone.frozen()
    step = max(1, (1 << 24) // data.train.num_items)

    def bare() -> None:
        for chunk in users.split(step):
            (left[chunk] @ right.T).topk(20)

    limit = seconds(bare)
    taken = seconds(lambda: evaluator.per_user(backbone, {"selection": ["ndcg@20", "recall@20"]}))
    print(f"evaluation {taken:.2f} s, bare {limit:.2f} s: ratio {taken / limit:.2f}", flush=True)


def dvr(config: RunConfig, data: Any) -> None:
    """A DVR epoch with one mask, all costs included, against a BPR epoch of the same trainer."""
    one = {"adapter": {"masks": 1, "baseline": "none", "users": 2000, "horizon": {"epochs": 2}}}
    settings = {"training.warmup": 1, "training.epochs": 5, "policy.gate": False}
    found = {}
    for name in ("bpr", "dvr"):
        changed = apply(config, settings | one | {"method": {"name": name}})
        trainer = Trainer(changed, data, OneProcess(), CPU)
        trainer._selection._measure = lambda learner: {"ndcg@20": 0.0, "recall@20": 0.0}  # type: ignore[method-assign]
        times = []
        while trainer._progress.epoch < 5:
            before, started = trainer._progress.epoch, time.perf_counter()
            trainer._period()
            times.append((time.perf_counter() - started) / (trainer._progress.epoch - before))
        # The first periods build features and warm up.
        found[name] = times[-1]
    print(
        f"DVR epoch (one mask, reward on 2,000 users) {found['dvr']:.2f} s, BPR "
        f"{found['bpr']:.2f} s: ratio {found['dvr'] / found['bpr']:.2f}",
        flush=True,
    )


def quality(config: RunConfig, data: Any, epochs: int) -> None:
    """Best validation ndcg@20 of row-wise and dense Adam over the same learning rates."""
    evaluator = Evaluator([data.train], {"selection": data.selection}, OneProcess())
    for name, sparse in (("row-wise Adam", True), ("dense Adam", False)):
        best = (0.0, 0, 0.0)
        for lr in RATES:
            changed = apply(config, {"training.lr": lr})
            for number, backbone in trained(changed, data, epochs, sparse):
                found = evaluator.per_user(backbone, {"selection": ["ndcg@20"]})["selection"]
                best = max(best, (float(found["ndcg@20"].nanmean()), number, lr))
        score, number, lr = best
        print(
            f"{name}: best ndcg@20 on validation-selection {score:.4f} "
            f"(epoch {number} of {epochs}, lr {lr:g} of {RATES})",
            flush=True,
        )


def trained(
    config: RunConfig, data: Any, epochs: int, sparse: bool
) -> Iterator[tuple[int, Backbone]]:
    """Train plain BPR; yield the epoch and the backbone at every fifth one."""
    parts = build(config, data, OneProcess(), CPU)
    planner = Planner(config, data.train, parts.negatives, CPU)
    learner, record = parts.learner(0), LossRecord(len(data.train), OneProcess())
    if not sparse:
        learner.backbone.rowwise = False
        learner.optimiser = BackboneOptimiser(learner.backbone, config.training.lr, OneProcess())
    for number in range(1, epochs + 1):
        epoch(learner, planner.walk(planner.cut("order", number), number), record)
        if number % 5 == 0:
            yield number, learner.backbone


def main() -> None:
    """Read Gowalla and run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument(
        "--only", nargs="*", default=["bpr", "evaluation", "dvr", "replicas", "quality"]
    )
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "process"], default="wall")
    asked = parser.parse_args()
    if len(asked.only) > 1:
        # A process each, so that each has a peak of its own.
        for name in asked.only:
            subprocess.run([sys.executable, *sys.argv, "--only", name], check=True)
        return
    torch.set_num_threads(asked.threads)
    config = apply(RunConfig(), {
        "data.source": "lightgcn", "data.path": str(Path(asked.data).resolve()),
        "backbone": {"name": "bprmf", "dim": DIM},
        "encoder.features": ["agreement", "loss", "overlap", "coherence", "counts"],
        "training.batch_size": BATCH, "training.lr": 2e-3, "training.l2": 1e-2,
    })  # fmt: skip
    data, _ = prepare(config)
    print(f"peak memory after reading the data {resident('VmHWM'):.0f} MiB", flush=True)
    clock = time.process_time if asked.clock == "process" else time.perf_counter
    run: dict[str, Callable[[], None]] = {
        "bpr": lambda: bpr(config, data),
        "evaluation": lambda: evaluation(config, data),
        "dvr": lambda: dvr(config, data),
        "replicas": lambda: replicas(config, data, clock),
        "quality": lambda: quality(config, data, asked.epochs),
    }
    run[asked.only[0]]()
    print(f"{asked.only[0]}: peak memory {resident('VmHWM'):.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
