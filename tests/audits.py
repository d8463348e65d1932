"""Logs as a user has them: tables with odd ids and names, one of tastes and one of noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dvr_ray.config.load import data_config
from dvr_ray.data.cache import load_dataset

# Small enough for seconds, and long enough for the replicas to rank.
BUDGET = [
    "training.batch_size=256", "training.epochs=24", "training.warmup=6", "training.lr=0.02",
    "adapter.horizon.epochs=6", "adapter.masks=8", "backbone.dim=16", "valuator.steps=60",
    "data.cache=false",
]  # fmt: skip
SET = [word for field in BUDGET for word in ("--set", field)]
USERS, ITEMS, ROWS = 200, 120, 4800


def user_id(number: int) -> str:
    return f"<b>u{number}</b>"


def item_id(number: int) -> str:
    return f"i{number}&<img src=x>"


def write_log(folder: Path) -> Path:
    """The embedded data as a folder of tables whose ids and names want to be escaped."""
    options = [f"data.users={USERS}", f"data.items={ITEMS}"]
    log = load_dataset(data_config("synthetic", None, options)).interactions
    folder.mkdir()
    users, items = [user_id(u) for u in log.users], [item_id(i) for i in log.items]
    pd.DataFrame({"user": users, "item": items}).to_csv(folder / "log.csv", index=False)
    names = [f"<script>name{i}</script>" for i in range(ITEMS)]
    table = pd.DataFrame({"item": [item_id(i) for i in range(ITEMS)], "name": names})
    table.to_csv(folder / "items.csv", index=False)
    return folder


def write_noise(path: Path) -> Path:
    """Pairs at random: nobody has a taste, so no value can mean anything."""
    rng = np.random.default_rng(0)
    pairs = {"user": rng.integers(0, USERS, ROWS), "item": rng.integers(0, ITEMS, ROWS)}
    pd.DataFrame(pairs).drop_duplicates().to_csv(path, index=False)
    return path
