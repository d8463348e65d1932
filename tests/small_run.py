"""A run that takes a second: 60 users, 50 items, a planted push attack."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, Any] = {
    "data.users": 60,
    "data.items": 50,
    "data.noise": {"kind": "push", "share": 0.2, "targets": 4},
    "backbone.dim": 8,
    "valuator.units": 6,
    "valuator.depth": 2,
    "valuator.steps": 5,
    "adapter.masks": 2,
    "training.epochs": 8,
    "training.warmup": 2,
    "training.batch_size": 128,
    "training.lr": 0.02,
    "training.dtype": "float64",
    "training.patience": 50,
}
