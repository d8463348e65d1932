"""Features of large logs: error of the sampled path, its time and memory.

    python benchmarks/features.py --data ../shared/data
    python benchmarks/features.py --rows 25000000

With --data: MovieLens-1M and Last.FM with planted noise (random pairs, 30%; a push of 20 items to
300 users each), where every column is computed exactly and from samples. Prints Spearman's
correlation of the two over rows, and the AUC of real against planted rows with each.

With --rows: a generated log of MovieLens-25M's kind (162,541 users and 59,047 items at 25 million
rows; median list 71, mean 153). Its features and the encoder's inputs are made in a process of its
own, whose seconds and peak memory, Python and log included, are printed. Columns that can be had
exactly for a few users are compared on the rows of 200 drawn users.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.data.features import FEATURES, FeatureContext, static_features  # noqa: E402
from dvr_ray.data.features.pairs import incidence  # noqa: E402
from dvr_ray.data.interactions import Interactions, TrialData  # noqa: E402
from dvr_ray.metrics.auc import roc_auc  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402
from dvr_ray.weightings.inputs import EncoderInputs  # noqa: E402

FAMILIES = ("agreement", "neighbourhood", "overlap", "coherence", "counts")
LOGS = {"MovieLens-1M": ("movielens", "ml-1m"), "Last.FM": ("hetrec", "lastfm-hetrec")}
NOISE = {
    "uniform": {"kind": "uniform", "share": 0.3},
    "push": {"kind": "push", "targets": 20, "users_per_target": 300},
}
USERS, ITEMS, ROWS = 162_541, 59_047, 25_000_000
KINDS, TASTES, SHARED, BLOCK = 64, 3, 0.3, 2048
CHECKED = 200


def compare(folder: Path) -> None:
    """Print error and AUC of every column on real logs."""
    print("| log | planted | column | Spearman | AUC, exact | AUC, sampled |")
    print("|---|---|---|---|---|---|")
    for title, (source, path) in LOGS.items():
        for kind, noise in NOISE.items():
            changes = {"data.source": source, "data.path": str((folder / path).resolve())}
            changes |= {"data.noise": noise, "method": {"name": "bpr"}}
            data, _ = prepare(apply(RunConfig(), changes))
            for name, exact, sampled in _columns(data.train):
                assert data.planted is not None
                correlation = spearmanr(exact, sampled).statistic
                aucs = [roc_auc(values, ~data.planted) for values in (exact, sampled)]
                cells = f"{correlation:.4f} | {aucs[0]:.4f} | {aucs[1]:.4f}"
                print(f"| {title} | {kind} | {name} | {cells} |", flush=True)


def _columns(log: Interactions) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    contexts = FeatureContext(log, exact_rows=len(log)), FeatureContext(log, exact_rows=0)
    for family in FAMILIES[:-1]:
        exact, sampled = (FEATURES.get(family)().compute(context) for context in contexts)
        for column in range(exact.shape[1]):
            yield f"{family}.{column}", exact[:, column], sampled[:, column]


def generate(path: Path, rows: int) -> None:
    """Write users and items of a log with long tails and tastes."""
    rng = np.random.default_rng(0)
    users = max(round(USERS * rows / ROWS), 100)
    items = max(round(ITEMS * min(1.0, (rows / ROWS) ** 0.5)), 500)
    # Some too many, as equal pairs count once.
    lengths = 2.6 * np.minimum(20 + rng.lognormal(np.log(51), 1.38, users), items / 3)
    kinds = np.sort(rng.integers(0, KINDS, items))
    edges = np.concatenate([[0], np.cumsum(rng.lognormal(0, 2.2, items))])
    bounds = edges[np.searchsorted(kinds, np.arange(KINDS + 1))]
    tastes = rng.integers(0, KINDS, (users, TASTES))
    keys = []
    for start in range(0, users, BLOCK):
        some = np.arange(start, min(start + BLOCK, users))
        owner = np.repeat(some, lengths[some].astype(np.int64))
        kind = tastes[owner, rng.integers(0, TASTES, len(owner))]
        shared = rng.random(len(owner)) < SHARED
        low = np.where(shared, 0, bounds[kind])
        high = np.where(shared, bounds[-1], bounds[kind + 1])
        drawn = low + (high - low) * rng.random(len(owner))
        item = np.minimum(np.searchsorted(edges, drawn, side="right") - 1, items - 1)
        keys.append(np.unique(owner * items + item))
    found = np.concatenate(keys)
    if len(found) > rows:
        found = np.sort(rng.choice(found, rows, replace=False))
    np.savez(path, users=found // items, items=found % items, sizes=[users, items])


def read(path: Path) -> Interactions:
    stored = np.load(path)
    users, items = stored["sizes"].tolist()
    return Interactions(stored["users"], stored["items"], users, items)


def measure(path: Path, checks: Path) -> None:
    """Make features and inputs of a stored log; print what it took. In its own process."""
    clock = Clock()
    log = read(path)
    context = FeatureContext(log, exact_rows=0)
    clock.show("reading the log")
    features: dict[str, np.ndarray] = {}
    for family in FAMILIES:
        features |= static_features(context, [family])
        clock.show(family)
    cosines = context.cosines
    drawn = _rows_of_some(log)[1]
    columns = np.stack([
        cosines.item_mean[drawn], cosines.user_mean[drawn], features["neighbourhood"][drawn, 0],
        context.nearest[log.users[drawn]], cosines.user_coherence[log.users[drawn]],
    ])  # fmt: skip
    np.save(checks, columns)
    del context, cosines
    inputs = EncoderInputs(_trial(log, features), (*FAMILIES, "loss"), torch.float32)
    inputs.prepare(torch.rand(len(log)))
    clock.show("inputs with losses")
    clock.total(f"all, {inputs.static.shape[1]} columns")


class Clock:
    """Prints seconds, seconds of all processors, and the process's peak memory."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter(), time.process_time()

    def show(self, what: str) -> None:
        """Print what was taken since the last line."""
        self._line(what, self._last)
        self._last = time.perf_counter(), time.process_time()

    def total(self, what: str) -> None:
        """Print what was taken in all."""
        self._line(what, self._started)

    def _line(self, what: str, since: tuple[float, float]) -> None:
        seconds, busy = time.perf_counter() - since[0], time.process_time() - since[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {what} | {seconds:.1f} s | {busy:.1f} s | {peak:.2f} GiB |", flush=True)


def _trial(log: Interactions, features: dict[str, np.ndarray]) -> TrialData:
    none = Interactions(log.users[:0], log.items[:0], log.num_users, log.num_items)
    ids, table, nobody = np.empty(0), pd.DataFrame(), np.empty(0, dtype=np.int64)
    return TrialData(
        "made", "", log, none, none, None, nobody, ids, ids, table, table, features=features
    )


def _rows_of_some(log: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Some drawn users, and their rows."""
    present = np.flatnonzero(log.user_counts)
    number = min(CHECKED, len(present))
    users = np.sort(np.random.default_rng(1).choice(present, number, replace=False))
    return users, np.flatnonzero(np.isin(log.users, users))


def check(path: Path, found: np.ndarray) -> None:
    """Print the correlation with the exact columns on the rows of drawn users."""
    log = read(path)
    matrix = incidence(log)
    across = matrix.T.tocsr()
    exact = np.concatenate([_by_definition(log, matrix, across, u) for u in _rows_of_some(log)[0]])
    names = ("agreement.0", "agreement.2", "neighbourhood.0", "overlap.0", "coherence.0")
    print(f"rows of {CHECKED} drawn users: {len(exact)}\n| column | Spearman |\n|---|---|")
    for name, wanted, values in zip(names, exact.T, found, strict=True):
        print(f"| {name} | {spearmanr(wanted, values).statistic:.4f} |")


def _by_definition(log: Interactions, matrix, across, user: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Five columns of a user's rows through sums over the whole log, (rows, 5)."""
    items = log.items[log.user_offsets[user] : log.user_offsets[user + 1]]
    number = max(len(items) - 1, 1)
    counts = log.item_counts
    scale = 1 / np.sqrt(np.maximum(counts, 1))
    lengths = np.maximum(log.user_counts, 1).astype(np.float64)
    own = np.zeros(log.num_items)
    own[items] = 1
    scores = scale * (across @ (matrix @ (own * scale)))
    total = scores[items] / scale[items] - 1 / scale[items] - (scale[items].sum() - scale[items])
    left_out = total / np.sqrt(np.maximum(counts[items] - 1, 1))
    together = matrix @ own
    pairs = (across @ (together / np.sqrt(lengths)))[items] - np.sqrt(lengths[user])
    rest = (across @ (1 / np.sqrt(lengths)))[items] - 1 / np.sqrt(lengths[user])
    mine = (pairs - rest) / np.sqrt(number) / np.maximum(counts[items] - 1, 1)
    others = np.sort(np.delete(scores, items))
    place = np.searchsorted(others, left_out) + np.searchsorted(others, left_out, side="right")
    cosines = together / np.sqrt(lengths * lengths[user])
    cosines[user] = 0
    coherent = (scores[items] - 1).sum() / (number * len(items))
    nearest, coherence = np.full(len(items), cosines.max()), np.full(len(items), coherent)
    return np.stack([left_out / number, mine, place / 2 / len(others), nearest, coherence], axis=1)


def at_size(rows: int) -> None:
    """Generate, measure and check a log, each in a process of its own."""
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path, checks = Path(folder) / "log.npz", Path(folder) / "checks.npy"
        for task, arguments in ((generate, (path, rows)), (measure, (path, checks))):
            if task is measure:
                describe(read(path))
                print("| what | time | of all processors | peak memory so far |\n|---|---|---|---|")
            process = processes.Process(target=task, args=arguments)
            process.start()
            process.join()
            assert process.exitcode == 0
        check(path, np.load(checks))


def describe(log: Interactions) -> None:
    users, items = log.user_counts, log.item_counts
    print(
        f"{len(log)} rows, {log.num_users} users, {log.num_items} items; list: median "
        f"{np.median(users):.0f}, mean {users.mean():.0f}, longest {users.max()}; item: median "
        f"{np.median(items):.0f}, mean {items.mean():.0f}, most {items.max()}; sums of squares "
        f"{float((users**2).sum()):.2g} over users, {float((items**2).sum()):.2g} over items"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with ml-1m and lastfm-hetrec")
    parser.add_argument("--rows", type=int, help="size of a generated log")
    asked = parser.parse_args()
    if asked.data is None and asked.rows is None:
        parser.error("give --data, --rows or both")
    if asked.data is not None:
        compare(Path(asked.data))
    if asked.rows is not None:
        at_size(asked.rows)


if __name__ == "__main__":
    main()
