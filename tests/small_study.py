"""A study of a few seconds, and records that nobody trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dvr_ray.config.document import Document
from dvr_ray.config.study import Study
from dvr_ray.config.validation import checked

SMALL: dict[str, Any] = {
    "name": "small",
    "run": {
        "data": {"source": "synthetic", "users": 60, "items": 40},
        "encoder": {"features": ["agreement"]},
        "backbone": {"name": "bprmf", "dim": 4},
        "training": {"epochs": 2, "warmup": 1, "batch_size": 512},
    },
    "axes": {
        "noise": {"none": {}, "some": {"data.noise": {"kind": "uniform", "share": 0.2}}},
        "method": {"keep all": {"method": {"name": "bpr"}}, "tce": {"method": {"name": "tce"}}},
    },
    "seeds": [0, 1],
    "seeded": ["seed", "split.seed"],
    "choose": [{"grid": {"training.l2": [0.0, 0.5]}, "by": ["noise"]}],
    "metrics": ["ndcg@5"],
    "against": "keep all",
}


def study_of(**changes: Any) -> Study:
    return checked(Study, Document(Path("study.yaml"), {**SMALL, **changes}))


def record_of(ndcg: float, auc: float | None = None) -> dict[str, Any]:
    return {
        "test": {"ndcg@5": ndcg},
        "selection": {"ndcg@20": ndcg},
        "auc": {} if auc is None else {"value": auc, "mean_loss": 0.6},
        "seconds": 2.0,
        "best_epoch": 1,
    }
