"""An epoch of every backbone on Gowalla relative to BPRMF in the same run, with peak memory.

    python benchmarks/backbones.py --data ../shared/data/gowalla [--steps 40] [--only NAME ...]

Plain BPR with uniform negatives, 64 dimensions, batch 2048. Each backbone runs in a process of its
own with one thread: times are its CPU seconds, so that neighbours don't count, and its peak
resident memory is shown (torch and the data take most of what BPRMF shows). Some steps are timed
after three to warm up, the median counts, and an epoch is that times its batches. Making the
backbone (graphs, EASE's inverse) and ranking all items for some users are timed beside it.
"""

from __future__ import annotations

import argparse
import itertools
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

from dvr_ray.backbones import BACKBONES  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.errors import ConfigError  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.evaluation import Evaluator  # noqa: E402
from dvr_ray.training.learner import LossRecord  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

CPU = torch.device("cpu")
WARM = 3


def measure(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of making, an epoch and ranking, and the peak memory in MB, of one backbone."""
    torch.set_num_threads(1)
    config = apply(RunConfig(), {
        "data.source": "lightgcn", "data.path": str(Path(asked.data).resolve()),
        "backbone": {"name": name}, "method": {"name": "bpr"}, "encoder.features": ["counts"],
        "training.batch_size": 2048, "training.lr": 1e-3, "training.l2": 1e-4,
    })  # fmt: skip
    data, _ = prepare(config)
    parts = build(config, data, OneProcess(), CPU)
    started = time.process_time()
    try:
        learner = parts.learner(0)
    except ConfigError as error:
        return {"refused": str(error)}
    made = time.process_time() - started
    planner = Planner(config, data.train, parts.negatives, CPU)
    record = LossRecord(len(data.train), OneProcess())
    batches, taken = planner.order(0), []
    for batch in itertools.islice(planner.walk(batches, 0), asked.steps + WARM):
        started = time.process_time()
        learner.step(batch, record)
        taken.append(time.process_time() - started)
    evaluator = Evaluator([data.train], {"selection": data.selection}, OneProcess())
    users = data.selection.user_counts.nonzero()[0][: asked.users]
    started = time.process_time()
    evaluator.per_user(learner.backbone, {"selection": ["ndcg@20"]}, users)
    return {
        "made": made,
        "epoch": median(taken[WARM:]) * len(batches),
        "ranking": time.process_time() - started,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure BPRMF first, then the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=BACKBONES.names(), help="beside bprmf")
    asked = parser.parse_args()
    names = ["bprmf", *(name for name in asked.only if name != "bprmf")]
    base = 0.0
    for name in names:
        # One process after the other, each with a peak of its own.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(measure, (name, asked))
        if "refused" in found:
            print(f"{name:10} {found['refused']}", flush=True)
            continue
        base = base or found["epoch"]
        print(
            f"{name:10} made in {found['made']:5.1f} s, epoch {found['epoch']:6.1f} s = "
            f"{found['epoch'] / base:5.1f} x BPRMF, ranking for {asked.users} users "
            f"{found['ranking']:5.1f} s, peak {found['memory']:5.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
