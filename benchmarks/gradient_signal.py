"""How much signal the policy gradient has: by reward, credit and number of masks.

    python benchmarks/gradient_signal.py --data ../shared/data/ml-100k
    python benchmarks/gradient_signal.py --data ../shared/data/lastfm-hetrec --noise push

M independent masks keep 70% of the rows each and train a replica of BPRMF from common weights. K of
them give a policy gradient in the space of the features, and a linear valuator (ridge). Over random
pairs of disjoint sets of K masks: the signal-to-noise ratio of the gradient, ``<g, g'> / (|g -
g'|^2 / 2)`` (unbiased in numerator and denominator; 1: the gradient is as large as its error), and
the correlation of the two valuators' values of all rows. Steady is no proof of right: a steady
value can have the wrong sign. With planted noise, the AUC of the values of all masks says.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.retraining import trained  # noqa: E402
from dvr_ray.backbones import Backbone  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.interactions import TrialData  # noqa: E402
from dvr_ray.metrics import Catalogue, ExposureMetric, parse  # noqa: E402
from dvr_ray.metrics.auc import roc_auc  # noqa: E402
from dvr_ray.rewards.credit import CreditRule, advantages  # noqa: E402
from dvr_ray.training.evaluation import Evaluator  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402
from dvr_ray.training.rewarding import RewardMeter  # noqa: E402
from dvr_ray.training.sharing import Sharing  # noqa: E402

KEEP, RIDGE, PAIRS, AT_ONCE = 0.7, 1.0, 40, 8
AGREEMENT = ["agreement", "neighbourhood", "overlap", "coherence", "counts"]
MOVIES = {
    "rewards": ["ndcg@20", "loss", "gini@20", "item-coverage@20", "cc-all@20", "ild-category@20",
                "sp:gender@20", "tv:gender@20", "eo:gender@20"],
    "features": [*AGREEMENT, "genre-novelty", "skew"],
    "data": {"source": "movielens", "min_rating": 4},
    "training": {"batch_size": 2048, "lr": 0.005, "l2": 0.02},
}  # fmt: skip
ARTISTS = {
    "rewards": ["ndcg@20", "recall@20", "loss", "gini@20"],
    "features": AGREEMENT,
    "data": {"source": "hetrec"},
    "training": {"batch_size": 2048, "lr": 0.005, "l2": 0.06},
}
NOISE = {
    "none": {},
    "push": {"kind": "push", "targets": 20, "users_per_target": 300},
    "uniform": {"kind": "uniform", "share": 0.3},
}


def backbones_of(config: RunConfig, data: TrialData, masks: Tensor, epochs: int) -> list[Backbone]:
    """One backbone per mask, all on the same batches and negatives."""
    found: list[Backbone] = []
    for some in torch.split(masks, AT_ONCE):
        found += [learner.backbone for learner in trained(config, data, some, epochs)]
        print(f"{len(found)} of {len(masks)} masks trained", file=sys.stderr, flush=True)
    return found


class Gradients:
    """Policy gradients and values from some of the masks.

    Parameters
    ----------
    reward : Tensor, shape (M, C)
        Of users, or users and items, under every mask.
    rule : CreditRule
        Who is paid.
    masks : Tensor of bool, shape (M, n)
        The masks.
    inputs : Tensor, shape (n, c)
        Features, and 1.
    """

    def __init__(self, reward: Tensor, rule: CreditRule, masks: Tensor, inputs: Tensor) -> None:
        self._reward, self._rule, self._inputs = reward, rule, inputs
        self._moved = masks.double() - KEEP
        gram = KEEP * (1 - KEEP) * inputs.T @ inputs
        self._gram = gram + RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).to(gram)

    def gradient(self, some: np.ndarray) -> Tensor:
        """Mean of credit x score over the masks, in the space of the inputs: (c,)."""
        rows = torch.arange(len(self._inputs))
        credit = self._rule(advantages(self._reward[some], "leave-one-out"), rows).double()
        return (credit * self._moved[some]).mean(0) @ self._inputs

    def values(self, gradient: Tensor) -> np.ndarray:
        """Values of all rows, (n,)."""
        found: np.ndarray = (self._inputs @ torch.linalg.solve(self._gram, gradient)).numpy()
        return found

    def measured(self, number: int) -> tuple[float, float]:
        """Signal-to-noise ratio, and mean correlation of values, of sets of so many masks."""
        signal, noise, alike = 0.0, 0.0, []
        for pair in range(PAIRS):
            order = np.random.default_rng(pair).permutation(len(self._reward))
            one, two = (self.gradient(order[at : at + number]) for at in (0, number))
            signal += float(one @ two)
            noise += float((one - two).square().sum()) / 2
            alike.append(np.corrcoef(self.values(one), self.values(two))[0, 1])
        return signal / noise, float(np.mean(alike))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--noise", choices=[*NOISE], default="none")
    parser.add_argument("--masks", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    setting: dict[str, Any] = ARTISTS if "lastfm" in asked.data.name else MOVIES
    config = apply(RunConfig(), {
        "data": setting["data"] | {"path": str(asked.data.resolve()), "noise": NOISE[asked.noise]},
        "seed": asked.seed, "split.seed": asked.seed, "data.seed": asked.seed,
        "encoder.features": setting["features"], "training": setting["training"],
    })  # fmt: skip
    data, _ = prepare(config)
    draws = torch.Generator().manual_seed(asked.seed)
    masks = torch.rand(asked.masks, len(data.train), generator=draws) < KEEP
    # The last one keeps all: whose lists pay for items goes by it.
    every = torch.cat([masks, torch.ones_like(masks[:1])])
    backbones = backbones_of(config, data, every, asked.epochs)
    columns = [torch.from_numpy(data.features[name]).double() for name in setting["features"]]
    inputs = torch.cat([*columns, torch.ones(len(data.train), 1).double()], 1)
    few, many = 4, asked.masks // 2
    print(f"| reward | credit | SNR, K = {few} | SNR, K = {many} | r of values, K = {few} | "
          f"r, K = {many} | AUC, {asked.masks} masks |\n|" + "---|" * 7)  # fmt: skip
    for name in setting["rewards"]:
        for credit in ("scalar", "user", "user+item", "item"):
            if credit == "item" and (name == "loss" or not isinstance(parse(name), ExposureMetric)):
                continue
            run = apply(config, {"adapter.reward": name, "adapter.credit": credit})
            known = [data.train]
            evaluator = Evaluator(known, {"reward": data.reward}, OneProcess(), Catalogue.of(data))
            meter = RewardMeter(run, data, evaluator, Sharing.of(run, OneProcess()))
            rule = CreditRule(credit, data.train, data.reward)
            rule.hold(meter.begin(backbones[-1], 0))
            reward = meter.measure(dict(enumerate(backbones[:-1])), asked.masks)
            found = Gradients(reward, rule, masks, inputs)
            ratios, alike = zip(*(found.measured(k) for k in (few, many)), strict=True)
            auc = "-"
            if data.planted is not None and data.planted.any():
                values = found.values(found.gradient(np.arange(asked.masks)))
                auc = f"{roc_auc(values, ~data.planted):.3f}"
            numbers = [f"{ratio:.2f}" for ratio in ratios] + [f"{r:.2f}" for r in alike]
            print(f"| {name} | {credit} | " + " | ".join([*numbers, auc]) + " |", flush=True)
    print(f"\n{time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main()
