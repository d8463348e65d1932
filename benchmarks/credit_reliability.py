"""How steady are values of user credit and of own-item credit: split-half reliability.

    python benchmarks/credit_reliability.py --data ../shared/data/ml-100k

K independent masks keep 70% of the rows each and train a replica of BPRMF from common weights. Half
of the masks gives a linear valuator of the features (ridge, least squares of the credits), the
other half another; their values of all rows are correlated, over random halves. Reliability is no
proof that a value is right: a steady value can have the wrong sign.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.interactions import TrialData  # noqa: E402
from dvr_ray.data.prepare import prepare  # noqa: E402
from dvr_ray.metrics import Catalogue  # noqa: E402
from dvr_ray.rewards.credit import CreditRule, advantages  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.evaluation import Evaluator  # noqa: E402
from dvr_ray.training.learner import LossRecord  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.rewarding import RewardMeter  # noqa: E402
from dvr_ray.training.sharing import Sharing  # noqa: E402

REWARDS = ("sp:gender@20", "tv:gender@20", "gini@20", "item-coverage@20")
KEEP, RIDGE, SPLITS = 0.7, 1e-3, 20
FEATURES = ["agreement", "neighbourhood", "overlap", "coherence", "counts", "genre-novelty", "skew"]


def trained(config: RunConfig, data: TrialData, masks: torch.Tensor, epochs: int) -> list[Any]:
    """One backbone per mask, all on the same batches and negatives."""
    parts = build(config, data, OneProcess(), torch.device("cpu"))
    found = []
    for mask in masks:
        planner = Planner(config, data.train, parts.negatives, torch.device("cpu"))
        learner, record = parts.learner(0), LossRecord(len(data.train), OneProcess())
        for epoch in range(epochs):
            for batch in planner.walk(planner.order(epoch), epoch):
                learner.step(batch, record, mask[batch.rows])
        found.append(learner.backbone)
    return found


def values(credit: torch.Tensor, masks: torch.Tensor, inputs: torch.Tensor) -> np.ndarray:
    """Values of all rows by a linear valuator of the credits, (K, n) to (n,)."""
    pull = (credit * (masks.double() - KEEP)).mean(0) @ inputs
    fisher = KEEP * (1 - KEEP) * inputs.T @ inputs
    ridge = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
    return (inputs @ torch.linalg.solve(fisher + ridge, pull)).numpy()


def reliability(reward: torch.Tensor, rule: CreditRule, masks: torch.Tensor, inputs: torch.Tensor
                ) -> tuple[float, float]:  # fmt: skip
    """Mean and sd over random halves of the correlation of their values."""
    rows, found = torch.arange(masks.shape[1]), []
    for split in range(SPLITS):
        order = np.random.default_rng(split).permutation(len(masks))
        pair = []
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            credit = rule(advantages(reward[half], "leave-one-out"), rows).double()
            pair.append(values(credit, masks[half], inputs))
        found.append(np.corrcoef(*pair)[0, 1])
    return float(np.mean(found)), float(np.std(found))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--masks", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    config = apply(RunConfig(), {
        "data": {"source": "movielens", "min_rating": 4, "path": str(asked.data.resolve())},
        "seed": asked.seed, "split.seed": asked.seed, "encoder.features": FEATURES,
        "training": {"batch_size": 2048, "lr": 0.005, "l2": 0.02},
    })  # fmt: skip
    data, _ = prepare(config)
    draws = torch.Generator().manual_seed(asked.seed)
    masks = torch.rand(asked.masks, len(data.train), generator=draws) < KEEP
    backbones = trained(config, data, masks, asked.epochs)
    columns = [torch.from_numpy(data.features[name]).double() for name in FEATURES]
    inputs = torch.cat([*columns, torch.ones(len(data.train), 1).double()], 1)
    evaluator = Evaluator([data.train], {"reward": data.reward}, OneProcess(), Catalogue.of(data))
    print("| reward | user credit | own-item credit |\n|---|---|---|")
    for name in REWARDS:
        cells = []
        for credit in ("user", "item"):
            run = apply(config, {"adapter.reward": name, "adapter.credit": credit})
            meter = RewardMeter(run, data, evaluator, Sharing.of(run, OneProcess()))
            meter.begin(backbones[0], 0)
            rule = CreditRule(credit, data.train, data.reward)  # type: ignore[arg-type]
            rewards = meter.measure(dict(enumerate(backbones)), asked.masks)
            mean, sd = reliability(rewards, rule, masks, inputs)
            cells.append(f"{mean:.2f} ± {sd:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
