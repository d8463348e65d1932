"""LightGCN on Gowalla beside the early figures that its authors' PyTorch code prints.

    python benchmarks/lightgcn_reference.py --data ../shared/data/gowalla [--epochs 6] [--as-logged]

The README of gusye1234/LightGCN-PyTorch shows for 3 layers, 64 dimensions, batch 2048, Adam at
1e-3, decay 1e-4 at EPOCH[5/1000], counted from 0: loss .1128, recall@20 .10711, ndcg@20 .08941.
That code draws users first, trains on all of train.txt and measures on test.txt.

The log is of the code's version of 23 March 2020 (adf8741), which is not yet the LightGCN of the
paper: the adjacency has self loops, weights start at Xavier's uniform, the L2 term isn't added to
the loss. ``--as-logged`` does so too; without it the paper's form is trained.

This script trains on the training and both validation parts, and looks at the test part, only to
compare with that published early figure. Nothing is selected by it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.backbones.graph import SparseMatrix, binary, csr  # noqa: E402
from dvr_ray.backbones.weights import xavier  # noqa: E402
from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.interactions import Interactions  # noqa: E402
from dvr_ray.training.build import build  # noqa: E402
from dvr_ray.training.evaluation import Evaluator, mean_per_user  # noqa: E402
from dvr_ray.training.learner import LossRecord  # noqa: E402
from dvr_ray.training.planning import Planner  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

METRICS = ["recall@20", "ndcg@20"]
# Printed after the sixth epoch.
REFERENCE = {"loss": 0.1128, "recall@20": 0.10711, "ndcg@20": 0.08941}


def whole(data: Any) -> Interactions:
    """All rows of train.txt again."""
    parts = (data.train, data.reward, data.selection)
    users, items = (
        np.concatenate([getattr(p, side) for p in parts]) for side in ("users", "items")
    )
    return Interactions.from_pairs(users, items, data.train.num_users, data.train.num_items)


def with_loops(train: Interactions) -> sp.csr_matrix:
    """D^-1/2 (A + I) D^-1/2, D with the loops."""
    known = binary(train)
    both = sp.bmat([[None, known], [known.T, None]], format="csr")
    looped = both + sp.eye(both.shape[0], format="csr")
    scale = sp.diags(np.asarray(looped.sum(1)).ravel() ** -0.5)
    return (scale @ looped @ scale).tocsr()


def as_logged(backbone: Any, train: Interactions) -> None:
    """Give a LightGCN the graph and the first weights of the logged version."""
    graph = SparseMatrix(csr(with_loops(train))).to(backbone.device)
    backbone._graph = graph
    numbers = torch.Generator().manual_seed(2020)
    for table in (backbone.users, backbone.items):
        table.data.copy_(xavier(*table.shape, numbers).data)


def main() -> None:
    """Train and print each epoch's figures on test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--sampling", choices=["user", "interaction"], default="user")
    parser.add_argument("--as-logged", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = torch.device(asked.device)
    config = apply(RunConfig(), {
        "data.source": "lightgcn", "data.path": str(Path(asked.data).resolve()),
        "backbone": {"name": "lightgcn", "dim": 64, "layers": 3}, "method": {"name": "bpr"},
        "encoder.features": ["counts"], "seed": 2020, "training.sampling": asked.sampling,
        "training.batch_size": 2048, "training.lr": 1e-3,
        "training.l2": 0.0 if asked.as_logged else 1e-4,
    })  # fmt: skip
    data, test = prepare(config)
    data = replace(data, train=whole(data), features={}, planted=None)
    evaluator = Evaluator([data.train], {"test": test.interactions}, OneProcess())
    parts = build(config, data, OneProcess(), device)
    planner, learner = Planner(config, data.train, parts.negatives, device), parts.learner(0)
    if asked.as_logged:
        as_logged(learner.backbone, data.train)
    record = LossRecord(len(data.train), OneProcess())
    print(f"{len(data.train)} training rows, {len(test.interactions)} test rows", flush=True)
    print(f"reference, epoch 6: {REFERENCE}", flush=True)
    for epoch in range(1, asked.epochs + 1):
        started = time.perf_counter()
        for batch in planner.walk(planner.order(epoch), epoch):
            learner.step(batch, record)
        loss, taken = record.merge(), time.perf_counter() - started
        found = evaluator.per_user(learner.backbone, {"test": METRICS})["test"]
        figures = {name: round(mean_per_user(values), 5) for name, values in found.items()}
        print(f"epoch {epoch}: loss {loss:.4f}, {figures}, {taken:.0f} s", flush=True)


if __name__ == "__main__":
    main()
