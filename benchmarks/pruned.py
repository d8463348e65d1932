"""Another library's recommenders trained on a log as it came, and on one that was pruned.

    pip install implicit==0.7.2
    python benchmarks/pruned.py --data ../shared/data/lastfm-hetrec --seeds 3

The log is Last.FM's training part, with a planted push attack or clean. ``dvr-ray train`` learns
from it, rewarded and stopped on rows that are trusted to be clean (source ``parts``) or, with "own
validation", on rows drawn from the log itself, planted ones among them. ``values`` values all rows
of the log, ``prune --drop-lowest 10%`` writes the cleaned file. The package implicit trains BPR and
ALS on either, and beside them on logs from which as many random rows, or all planted rows were
taken (the ceiling). Measured on the test part: ndcg@20, and how many pushed items stand in a top
20. Settings of implicit are chosen on the log as it came, by a twentieth of it held out. Split,
attack and all training vary with the seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from dvr_ray.config.load import apply, load_run
from dvr_ray.config.schema import DataConfig, RunConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.export import write_parts
from dvr_ray.data.split import split
from dvr_ray.inference.choosing import Rule
from dvr_ray.inference.job import Valuation, value_log
from dvr_ray.inference.pruning import prune
from dvr_ray.inference.reading import FilesLog
from dvr_ray.inference.work import InProcess
from dvr_ray.training.opened import open_run
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run

REPOSITORY = Path(__file__).resolve().parents[1]
PUSH = {"kind": "push", "targets": 20, "users_per_target": 300}
CASES = {
    "push": (PUSH, True),
    "clean": ({"kind": "none"}, True),
    "push, own validation": (PUSH, False),
}
"""What is planted, and whether validation is trusted."""
CUTOFF, FACTORS, DROPPED = 20, 64, 0.1
GRID: dict[str, list[dict[str, Any]]] = {
    "BPR": [{"learning_rate": 0.02, "regularization": r, "iterations": 150} for r in (0.01, 0.05)],
    "ALS": [{"regularization": r, "alpha": a, "iterations": 15} for r in (1.0, 20.0)
            for a in (2.0, 10.0)],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of lastfm-hetrec")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="of the run, FIELD=VALUE")
    asked = parser.parse_args()
    rows = []
    for seed in range(asked.seeds):
        for row in one(Path(asked.data), seed, asked.set):
            print(row, flush=True)
            rows.append(row)
    table = pd.DataFrame(rows)
    keys = ["case", "library", "log"]
    found = table.groupby(keys, sort=False).agg(
        ndcg=("ndcg@20", "mean"), against=("against", "mean"), error=("against", _error),
        pushed=("pushed@20", "mean"), rows=("rows", "mean"), planted=("planted", "mean"),
    )  # fmt: skip
    print(found.round(4).to_string())


def _error(values: pd.Series) -> float:
    return float(values.std() / len(values) ** 0.5)


def one(path: Path, seed: int, overrides: list[str]) -> Iterator[dict[str, Any]]:
    """All rows of the table of one seed."""
    space = REPOSITORY / "search_spaces" / "lastfm.yaml"
    for case, (noise, trusted) in CASES.items():
        fields = [f"data.path={path.resolve()}", f"seed={seed}", f"split.seed={seed}", *overrides]
        config = apply(load_run(space, fields), {"data.noise": noise, "data.seed": seed})
        data, test = split(load_dataset(config.data), config.split, config.data.noise, seed)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ids = data.user_ids[data.train.users], data.item_ids[data.train.items]
            log = pd.DataFrame({"user": ids[0], "item": ids[1]})
            planted = np.zeros(len(log), dtype=bool) if data.planted is None else data.planted
            log.to_csv(folder / "log.csv", index=False)
            if trusted:
                write_parts(replace(data, planted=None), test, {}, folder / "parts")
            _train(folder, config, trusted)
            cleaned = _pruned(folder)
            random = np.random.default_rng(seed)
            kept = random.permutation(len(log)) >= len(log) - len(cleaned)
            logs = {"as it came": log, "pruned": cleaned, "random rows dropped": log[kept]}
            if planted.any():
                logs["planted rows dropped"] = log[~planted]
            held = pd.DataFrame({"user": data.user_ids[test.interactions.users],
                                 "item": data.item_ids[test.interactions.items]})  # fmt: skip
            pushed = data.item_ids[data.push_targets]
            false = set(map(tuple, log[planted].to_numpy()))
            for row in _compared(logs, held, pushed, seed):
                left = sum(tuple(pair) in false for pair in logs[row["log"]].to_numpy())
                yield {"case": case, "seed": seed, "planted": left, **row}


def _train(folder: Path, config: RunConfig, trusted: bool) -> None:
    """Train DVR on the log as files hold it."""
    files = ("parts", folder / "parts") if trusted else ("table", folder / "log.csv")
    wanted = apply(config, {"data": {"source": files[0], "path": str(files[1])}})
    data, _ = prepare(wanted)
    run(RunRequest(wanted, data, folder / "run"), Silent())


def _pruned(folder: Path) -> pd.DataFrame:
    """Value the file and drop its worst rows."""
    opened = open_run(folder / "run")
    config = DataConfig(source="table", path=str(folder / "log.csv"))
    wanted = Valuation(opened, FilesLog(config, opened.catalogue, False), folder / "values")
    value_log(wanted, InProcess(), lambda *_: None)
    prune(folder / "values", Rule(lowest=DROPPED), folder / "cleaned.csv")
    return pd.read_csv(folder / "cleaned.csv")


def _compared(
    logs: dict[str, pd.DataFrame], held: pd.DataFrame, pushed: np.ndarray, seed: int
) -> Iterator[dict[str, Any]]:
    whole = logs["as it came"]
    users, items = np.unique(whole["user"]), np.unique(whole["item"])
    shape = len(users), len(items)

    def matrix(rows: pd.DataFrame) -> sp.csr_matrix:
        place = np.searchsorted(users, rows["user"]), np.searchsorted(items, rows["item"])
        return sp.csr_matrix((np.ones(len(rows), dtype=np.float32), place), shape)

    known = held["user"].isin(users) & held["item"].isin(items)
    test, targets = matrix(held[known]), np.searchsorted(items, pushed)
    part = np.random.default_rng(seed + 100).random(len(whole)) < 0.05
    for library, grid in GRID.items():
        tried = [_measured(library, each, matrix(whole[~part]), matrix(whole[part]), None, seed)[0]
                 for each in grid]  # fmt: skip
        settings = grid[int(np.argmax(tried))]
        first = None
        for name, rows in logs.items():
            ndcg, share = _measured(library, settings, matrix(rows), test, targets, seed,
                                    known=matrix(whole))  # fmt: skip
            first = ndcg if first is None else first
            yield {"library": library, "log": name, "rows": len(rows), "ndcg@20": ndcg,
                   "against": ndcg - first, "pushed@20": share}  # fmt: skip


def _measured(
    library: str,
    settings: dict[str, Any],
    train: sp.csr_matrix,
    test: sp.csr_matrix,
    targets: np.ndarray | None,
    seed: int,
    known: sp.csr_matrix | None = None,
) -> tuple[float, float]:
    """Train; ndcg@20 over users with test rows, and pushed items in their lists.

    Items of the whole log are never recommended, whatever part of it was trained on.
    """
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking

    made = {"BPR": BayesianPersonalizedRanking, "ALS": AlternatingLeastSquares}[library]
    model = made(factors=FACTORS, num_threads=1, random_state=seed, **settings)
    model.fit(train, show_progress=False)
    asked = np.flatnonzero(np.diff(test.indptr))
    found, _ = model.recommend(asked, (known if known is not None else train)[asked], N=CUTOFF)
    hits = np.asarray(test[np.repeat(asked, CUTOFF), found.ravel()]).reshape(found.shape)
    gains = 1 / np.log2(np.arange(CUTOFF) + 2)
    best = np.cumsum(gains)[np.minimum(np.diff(test.indptr)[asked], CUTOFF) - 1]
    share = 0.0 if targets is None else float(np.isin(found, targets).sum(1).mean())
    return float(((hits * gains).sum(1) / best).mean()), share


if __name__ == "__main__":
    main()
