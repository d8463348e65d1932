"""Time to the best ndcg@20 that BPR of the package ``implicit`` reaches on Gowalla: theirs, ours.

    pip install implicit==0.7.2
    python benchmarks/against_implicit.py --data ../shared/data/gowalla --trials 8

Both train 64 dimensions on the same training part with the same threads, and are tuned by the same
number of trials, random but for the first, on validation-selection. The target is the best ndcg@20
of all of implicit's trials; its time is that of its fastest trial within .001 of it, ours that of
our fastest trial that reaches the target itself. Seconds are those of training, with the matrices
loaded; metrics are measured between, off the clock, on the same 5,000 users for both. In the end
both chosen settings are timed again, in turns. Beside it: implicit's batch recommend against our
full ranking of the same users.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from threadpoolctl import threadpool_limits

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.backbones.bprmf import BPRMF  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.interactions import Interactions, TrialData  # noqa: E402
from dvr_ray.metrics import Catalogue  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.evaluation import Evaluator  # noqa: E402
from dvr_ray.training.learner import LossRecord  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402
from dvr_ray.training.replicas import Replicas  # noqa: E402
from dvr_ray.training.sharing import Sharing  # noqa: E402

DIM, METRIC = 64, "ndcg@20"
SLACK = 0.001
# implicit is measured after every 10 of at most 120 iterations, ours after each of 15 epochs.
THEIR_STEPS, THEIR_ITERATIONS, OUR_EPOCHS = 12, 10, 15
PATIENCE, USERS = 3, 5000

# Trial 0 of each: the best of a first look.
THEIR_FIRST = {"learning_rate": 0.02, "regularization": 0.001}
OUR_FIRST = {
    "backbone": {"name": "bprmf", "dim": DIM, "start": "spectral"},
    "negatives": {"name": "uniform"},
    "training.batch_size": 8192, "training.lr": 0.004, "training.l2": 0.01,
}  # fmt: skip

Measure = Callable[[Any], float]
Curve = list[tuple[float, float]]
"""Seconds of training so far, and the metric there."""


def their_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a setting of implicit."""
    return {
        "learning_rate": float(10 ** rng.uniform(-2.2, -1)),
        "regularization": float(10 ** rng.uniform(-4, -2)),
    }


def our_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a setting of ours: either start, one negative a row or many that a batch shares."""
    shared = {"name": "importance", "count": int(rng.choice([64, 128, 256])), "shared": True}
    return {
        "backbone": {"name": "bprmf", "dim": DIM, "start": str(rng.choice(["spectral", "normal"]))},
        "negatives": [{"name": "uniform"}, shared][rng.integers(2)],
        "training.batch_size": int(rng.choice([1024, 2048, 4096, 8192])),
        "training.lr": float(10 ** rng.uniform(-2.7, -1.5)),
        "training.l2": float(10 ** rng.uniform(-3, -1)),
    }


def as_matrix(train: Interactions) -> sp.csr_matrix:
    """Return the training rows as implicit takes them."""
    ones = np.ones(len(train), dtype=np.float32)
    shape = (train.num_users, train.num_items)
    return sp.csr_matrix((ones, (train.users, train.items)), shape=shape)


def theirs(data: TrialData, settings: dict[str, Any], threads: int) -> Iterator[tuple[float, Any]]:
    """Train with implicit; yield seconds and the scores' factors after each step."""
    from implicit.bpr import BayesianPersonalizedRanking

    matrix = as_matrix(data.train)
    model = BayesianPersonalizedRanking(
        factors=DIM, iterations=THEIR_ITERATIONS, num_threads=threads, random_state=0, **settings
    )
    spent = 0.0
    for _ in range(THEIR_STEPS):
        # Its threads are its own; those of BLAS beside them would only wait.
        with threadpool_limits(1, "blas"):
            started = time.perf_counter()
            model.fit(matrix, show_progress=False)
            spent += time.perf_counter() - started
        yield spent, model


def ours(
    data: TrialData, settings: dict[str, Any], epochs: int = OUR_EPOCHS
) -> Iterator[tuple[float, Any]]:
    """Train ours; yield seconds, those of the first weights too, and the backbone after epochs."""
    config = apply(RunConfig(), {"method": {"name": "bpr"}} | settings)
    # What is computed of a training part is kept for as long as it lives; each trial pays anew.
    data = replace(data, train=copy(data.train))
    started = time.perf_counter()
    device = torch.device("cpu")
    parts = build(config, data, OneProcess(), device)
    planner = Planner(config, data.train, parts.negatives, device)
    replicas = Replicas(config, parts, len(data.train), Sharing.of(config, OneProcess()))
    record = LossRecord(len(data.train), OneProcess())
    spent = time.perf_counter() - started
    for epoch in range(epochs):
        started = time.perf_counter()
        replicas.train(planner.walk(planner.order(epoch), epoch), record)
        spent += time.perf_counter() - started
        yield spent, replicas.main.backbone


def as_backbone(model: Any, train: Interactions) -> BPRMF:
    """Put implicit's factors into a backbone, so that one evaluator measures both."""
    found = BPRMF(train.num_users, train.num_items, model.user_factors.shape[1], torch.Generator())
    with torch.no_grad():
        found.users.copy_(torch.from_numpy(np.asarray(model.user_factors)))
        found.items.copy_(torch.from_numpy(np.asarray(model.item_factors)))
    return found


def curve(steps: Iterator[tuple[float, Any]], measure: Measure, enough: float = np.inf) -> Curve:
    """Measure after each step, until three bring no better metric or it is high enough."""
    found: Curve = []
    for seconds, model in steps:
        found.append((seconds, measure(model)))
        best = max(range(len(found)), key=lambda k: found[k][1])
        if found[-1][1] >= enough or len(found) - 1 - best >= PATIENCE:
            break
    return found


def first(found: Curve, target: float) -> float:
    """Seconds until the target is reached; infinite if it isn't."""
    return next((seconds for seconds, value in found if value >= target), np.inf)


def ranking(data: TrialData, model: Any, evaluator: Evaluator) -> str:
    """Time implicit's recommend and our evaluation on the users of validation-selection."""
    users, matrix = np.flatnonzero(data.selection.user_counts), as_matrix(data.train)
    backbone = as_backbone(model, data.train)

    def recommend() -> None:
        for block in np.array_split(users, len(users) // 1000):
            model.recommend(block, matrix[block], N=20)

    def evaluate() -> None:
        evaluator.per_user(backbone, {"selection": [METRIC, "recall@20"]})

    taken: dict[str, list[float]] = {"recommend": [], "evaluate": []}
    for _ in range(3):
        for name, function in (("recommend", recommend), ("evaluate", evaluate)):
            started = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - started)
    theirs, own = median(taken["recommend"]), median(taken["evaluate"])
    return f"implicit's recommend {theirs:.2f} s, our evaluation {own:.2f} s: {theirs / own:.2f}x"


def measured(data: TrialData, evaluator: Evaluator, rng: np.random.Generator) -> Measure:
    """Return what measures a backbone, or implicit's model, on a sample of users."""
    candidates = np.flatnonzero(data.selection.user_counts)
    sample = rng.choice(candidates, USERS, replace=False)

    def measure(model: Any) -> float:
        backbone = model if isinstance(model, BPRMF) else as_backbone(model, data.train)
        found = evaluator.per_user(backbone, {"selection": [METRIC]}, sample)["selection"][METRIC]
        return float(found.nanmean())

    return measure


def main() -> None:
    """Tune both, time the chosen settings again, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    config = apply(RunConfig(), {"data.source": "lightgcn", "encoder.features": ["agreement"],
                                 "data.path": str(Path(asked.data).resolve())})  # fmt: skip
    data, _ = prepare(config)
    evaluator = Evaluator([data.train], {"selection": data.selection}, OneProcess(),
                          Catalogue.of(data))  # fmt: skip

    measure = measured(data, evaluator, np.random.default_rng(asked.seed))
    rng = np.random.default_rng(asked.seed)
    their_trials = [THEIR_FIRST, *(their_settings(rng) for _ in range(asked.trials - 1))]
    their_curves = []
    for settings in their_trials:
        their_curves.append(curve(theirs(data, settings, asked.threads), measure))
        print("implicit", settings, _best(their_curves[-1]), flush=True)
    target = max(value for found in their_curves for _, value in found)
    their_pick = min(range(asked.trials), key=lambda k: first(their_curves[k], target - SLACK))
    our_trials = [OUR_FIRST, *(our_settings(rng) for _ in range(asked.trials - 1))]
    our_curves = []
    for settings in our_trials:
        our_curves.append(curve(ours(data, settings), measure, target))
        print("ours", settings, _best(our_curves[-1]), flush=True)
    our_pick = min(range(asked.trials), key=lambda k: first(our_curves[k], target))
    print(f"target: {METRIC} {target:.4f}; implicit {their_trials[their_pick]}; "
          f"ours {our_trials[our_pick]}", flush=True)  # fmt: skip
    times: dict[str, list[float]] = {"implicit": [], "ours": []}
    for _ in range(3):
        steps = theirs(data, their_trials[their_pick], asked.threads)
        times["implicit"].append(first(curve(steps, measure, target - SLACK), target - SLACK))
        found = curve(ours(data, our_trials[our_pick]), measure, target)
        times["ours"].append(first(found, target))
    their_time, our_time = median(times["implicit"]), median(times["ours"])
    print(f"{times}\nimplicit {their_time:.1f} s to {target - SLACK:.4f}, ours {our_time:.1f} s to "
          f"{target:.4f}: ratio {our_time / their_time:.2f}", flush=True)  # fmt: skip
    *_, (_, model) = theirs(data, their_trials[their_pick], asked.threads)
    print(ranking(data, model, evaluator))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process {peak:.0f} MiB")


def _best(found: Curve) -> str:
    seconds, value = max(found, key=lambda point: point[1])
    return f"best {value:.4f} after {seconds:.1f} s"


if __name__ == "__main__":
    main()
