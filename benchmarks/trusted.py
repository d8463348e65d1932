"""What an attack does to values when it is in the held-out rows too, and what `split.before` mends.

    python benchmarks/trusted.py --data ../shared/data/lastfm-hetrec --seeds 3

The log is Last.FM without a test part that is kept aside, clean. Its rows get random times from 0
to 1,000, and a push attack is planted whose rows are from 900 on. One file holds all of them, as a
user's log would. Trained on it, with the run of ``search_spaces/lastfm.yaml``: plain BPR; DVR whose
validation is drawn from the log; and DVR with ``split.before: 900``. Measured: AUC of real against
planted training rows by value, and on the clean test part ndcg@20 and how many pushed items stand
in a top 20.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvr_ray.config.load import apply, load_run
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.split import split
from dvr_ray.metrics.auc import roc_auc
from dvr_ray.training.opened import OpenedRun, open_run
from dvr_ray.training.prepare import prepare
from dvr_ray.training.recommending import recommend
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run

REPOSITORY = Path(__file__).resolve().parents[1]
PUSH = {"kind": "push", "targets": 20, "users_per_target": 300}
CUTOFF, BEGAN, END = 20, 900.0, 1000.0
CASES: dict[str, dict[str, Any]] = {
    "keep all": {"method": {"name": "bpr"}},
    "DVR, validation from the log": {},
    "DVR, split.before": {"split.before": BEGAN},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of lastfm-hetrec")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    rows = []
    for seed in range(asked.seeds):
        for row in one(Path(asked.data), seed):
            print(row, flush=True)
            rows.append(row)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("case", sort=False)
    print(pd.concat({"mean": table.mean(), "sd": table.std()}, axis=1).round(4).to_string())


def one(path: Path, seed: int) -> list[dict[str, Any]]:
    """All cases of one seed."""
    space = REPOSITORY / "search_spaces" / "lastfm.yaml"
    fields = [f"data.path={path.resolve()}", f"seed={seed}", f"split.seed={seed}"]
    config = apply(load_run(space, fields), {"data.noise": PUSH, "data.seed": seed})
    data, test = split(load_dataset(config.data), config.split, config.data.noise, seed)
    assert data.planted is not None
    rng = np.random.default_rng(seed)
    clean = [data.reward, data.selection]
    log = pd.DataFrame({
        "user": data.user_ids[np.concatenate([p.users for p in (data.train, *clean)])],
        "item": data.item_ids[np.concatenate([p.items for p in (data.train, *clean)])],
        "planted": np.concatenate([data.planted, *(np.zeros(len(p), dtype=bool) for p in clean)]),
    })  # fmt: skip
    log["time"] = np.where(log["planted"], rng.uniform(BEGAN, END, len(log)),
                           rng.uniform(0, END, len(log)))  # fmt: skip
    held = pd.DataFrame({"user": data.user_ids[test.interactions.users],
                         "item": data.item_ids[test.interactions.items]})  # fmt: skip
    found = []
    for case, changes in CASES.items():
        with tempfile.TemporaryDirectory() as name:
            log.drop(columns="planted").to_csv(Path(name) / "log.csv", index=False)
            opened = _trained(config, Path(name), changes)
            row = _measured(opened, log, held, data.item_ids[data.push_targets])
            found.append({"case": case, "seed": seed} | row)
    return found


def _trained(config: RunConfig, folder: Path, changes: dict[str, Any]) -> OpenedRun:
    table = {"source": "table", "path": str(folder / "log.csv"), "columns": {"time": "time"}}
    wanted = apply(config, {"data": table} | changes)
    run(RunRequest(wanted, prepare(wanted)[0], folder / "run"), Silent())
    return open_run(folder / "run")


def _measured(
    opened: OpenedRun, log: pd.DataFrame, held: pd.DataFrame, pushed: np.ndarray
) -> dict[str, float]:
    users = opened.catalogue.users
    asked = np.flatnonzero(np.isin(users.ids, held["user"]))
    lists = recommend(opened, asked, CUTOFF)
    hits = lists.merge(held, on=["user", "item"])
    gains = (1 / np.log2(hits["rank"] + 1)).groupby(hits["user"]).sum()
    best = np.cumsum(1 / np.log2(np.arange(CUTOFF) + 2))
    ideal = best[np.minimum(held.groupby("user").size(), CUTOFF) - 1]
    ndcg = gains.reindex(held.groupby("user").size().index, fill_value=0) / ideal
    measured = {
        f"ndcg@{CUTOFF}": float(ndcg.mean()),
        f"pushed@{CUTOFF}": float(lists["item"].isin(pushed).sum() / len(asked)),
    }
    path = opened.folder / "values.parquet"
    if path.exists():
        valued = pd.read_parquet(path, columns=["user", "item", "value"]).merge(log)
        measured["auc"] = roc_auc(valued["value"].to_numpy(), ~valued["planted"].to_numpy())
    return measured


if __name__ == "__main__":
    main()
