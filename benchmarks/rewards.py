"""What each reward does to each metric on MovieLens-1M, beside keep-all, WBPR and re-ranking.

    python benchmarks/rewards.py --data ../shared/data/ml-1m --out runs/rewards

Ratings of 4 and more; BPRMF of 64 dimensions from its spectral start. Every row trains for the same
number of epochs and is judged after the last, so no metric is favoured by the choice of an epoch.
DVR keeps 80% of the rows by centred values at a strength of one standard deviation, without the
gate. Re-ranking takes the lists of keep-all, with the largest weight that costs at most 5% of
ndcg@20 on validation-selection. L2 was chosen for keep-all after its last epoch, on
validation-selection of seed 0 (of .007, .015, .03, .06, .12, .25). Every seed draws split, weights
and negatives anew. Test is looked at once, when all runs are done. A finished cell is a small JSON:
the same command goes on after a kill, and ``--table`` prints what there is without training.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

METRICS = ("ndcg@20", "recall@20", "cc-all@20", "ild-category@20", "gini@20", "eo:gender@20",
           "sp:gender@20", "tv:gender@20")  # fmt: skip
BASE: dict[str, Any] = {
    "data": {"source": "movielens", "min_rating": 4},
    "backbone": {"name": "bprmf", "dim": 64, "start": "spectral"},
    "encoder.features": ["agreement", "loss", "counts", "genre-novelty", "skew"],
    "policy": {"normalisation": "centred", "keep_rate": 0.8, "temperature": 1.0, "gate": False},
    "adapter": {"masks": 4, "horizon": {"epochs": 2}},
    "valuator": {"steps": 40, "lr": 0.01},
    "training": {"epochs": 16, "warmup": 4, "batch_size": 4096, "lr": 0.004, "l2": 0.015,
                 "patience": 1000},
}  # fmt: skip
BPR: dict[str, Any] = {"method": {"name": "bpr"}}
REWARDS = ("ndcg@20", "cc-all@20", "ild-category@20", "gini@20", "eo:gender@20", "sp:gender@20",
           "tv:gender@20", "ndcg@20 + sp:gender@20", "ndcg@20 + tv:gender@20")  # fmt: skip
BY_ITEM = ("sp:gender@20", "ndcg@20 + sp:gender@20")
KEEP_ALL = "keep-all (BPR)"
ROWS: dict[str, dict[str, Any]] = (
    {KEEP_ALL: BPR, "WBPR": BPR | {"negatives": {"name": "popularity"}}}
    | {f"DVR, {reward}": {"adapter.reward": reward} for reward in REWARDS}
    | {
        f"DVR, {reward}, own item": {"adapter.reward": reward, "adapter.credit": "item"}
        for reward in BY_ITEM
    }
)
RERANKED = {"MMR": "mmr", "popularity penalty": "popularity"}
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
LOSS = 0.05


class Cells:
    """Runs and small results of all rows and seeds, below one folder."""

    def __init__(self, data: Path, out: Path) -> None:
        self._data, self._out = data, out
        self._seed, self._parts = -1, None

    def parts(self, seed: int) -> Any:
        """Parts of the data as a seed splits them; those of the last seed are kept."""
        from dvr_ray.training.prepare import prepare

        if seed != self._seed:
            self._seed, self._parts = seed, prepare(self.config("DVR, ndcg@20", seed))
        return self._parts

    def config(self, row: str, seed: int) -> Any:
        """Run of a row."""
        from dvr_ray.config.load import apply
        from dvr_ray.config.schema import RunConfig

        fields = {"data.path": str(self._data), "seed": seed, "split.seed": seed}
        return apply(RunConfig(), BASE | fields | ROWS[row])

    def stored(self, kind: str, row: str, seed: int) -> dict[str, Any] | None:
        """Read what is there of a cell."""
        with suppress(FileNotFoundError):
            return dict(json.loads(self._path(kind, row, seed).read_text(encoding="utf-8")))
        return None

    def store(self, kind: str, row: str, seed: int, content: dict[str, Any]) -> None:
        """Write a small JSON, whole or not at all."""
        from dvr_ray.training.checkpoint import write_json

        self._path(kind, row, seed).parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path(kind, row, seed), content)

    def train(self, row: str, seed: int) -> None:
        """Train a cell, unless it is there, and measure validation-selection."""
        from dvr_ray.training.reporter import Silent
        from dvr_ray.training.run import RunRequest, run

        if self.stored("selection", row, seed) is not None:
            return
        data, _ = self.parts(seed)
        spent = run(RunRequest(self.config(row, seed), data, self._folder(row, seed)), Silent())
        values = self.measured(row, seed, "selection")
        self.store("selection", row, seed, {"values": values, "seconds": spent["seconds"]})
        print(f"{row}, seed {seed}: {spent['seconds']:.0f} s, {_shown(values)}", flush=True)

    def choose(self, row: str, seed: int) -> None:
        """Choose the weight of a re-ranking, unless it is there."""
        if self.stored("selection", row, seed) is not None:
            return
        started = time.monotonic()
        plain = self.stored("selection", KEEP_ALL, seed)
        assert plain is not None, "keep-all is trained first"
        bar, chosen, values = (1 - LOSS) * plain["values"]["ndcg@20"], 0.0, plain["values"]
        for weight in WEIGHTS:
            found = self.measured(row, seed, "selection", weight)
            if found["ndcg@20"] < bar:
                break
            chosen, values = weight, found
        spent = round(time.monotonic() - started, 1)
        self.store("selection", row, seed, {"values": values, "seconds": spent, "weight": chosen})
        print(f"{row}, seed {seed}: weight {chosen}, {spent:.0f} s, {_shown(values)}", flush=True)

    def test(self, row: str, seed: int) -> None:
        """Look at test, unless that was done."""
        if self.stored("test", row, seed) is None:
            weight = (self.stored("selection", row, seed) or {}).get("weight")
            self.store("test", row, seed, {"values": self.measured(row, seed, "test", weight)})

    def measured(
        self, row: str, seed: int, part: str, weight: float | None = None
    ) -> dict[str, float]:
        """Metrics of a row's model after its last epoch; of a re-ranking, of keep-all's."""
        from dvr_ray.collective import OneProcess
        from dvr_ray.metrics import Catalogue
        from dvr_ray.reranking import RERANKING
        from dvr_ray.training.evaluation import Evaluator
        from dvr_ray.training.final_metrics import final_metrics

        data, test = self.parts(seed)
        known = [data.train] + ([data.reward, data.selection] if part == "test" else [])
        held_out = test.interactions if part == "test" else data.selection
        evaluator = Evaluator(known, {part: held_out}, OneProcess(), Catalogue.of(data))
        if weight:
            found = RERANKING.get(RERANKED[row])
            params = found.Params.model_validate({"weight": weight})
            evaluator = evaluator.reranked(found(params, evaluator.catalogue))
        backbone = self._last(row if row in ROWS else KEEP_ALL, seed)
        return final_metrics(evaluator, backbone, part, METRICS)

    def _last(self, row: str, seed: int) -> Any:
        import torch

        from dvr_ray.collective import OneProcess
        from dvr_ray.config.load import config_hash
        from dvr_ray.state import under
        from dvr_ray.training.build import build
        from dvr_ray.training.checkpoint import newest

        config, (data, _) = self.config(row, seed), self.parts(seed)
        identity = {"config": config_hash(config), "data": data.fingerprint}
        stored, _ = newest(self._folder(row, seed) / "checkpoints", identity)
        assert stored is not None, "the run is finished"
        learner = build(config, data, OneProcess(), torch.device("cpu")).learner(0)
        learner.load_tensors(under("main", stored.tensors))
        return learner.backbone

    def _folder(self, row: str, seed: int) -> Path:
        return self._out / "runs" / f"{_slug(row)}-{seed}"

    def _path(self, kind: str, row: str, seed: int) -> Path:
        return self._out / kind / f"{_slug(row)}-{seed}.json"


def _slug(row: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in row.lower())


def _shown(values: dict[str, float]) -> str:
    return " ".join(f"{name.partition('@')[0]} {values[name]:.4f}" for name in METRICS)


def table(cells: Cells, kind: str, seeds: int) -> Iterator[str]:
    """Markdown lines: mean ± sd of every metric over the seeds that are there."""
    yield "| row | " + " | ".join(METRICS) + " | seconds a run |"
    yield "|" + "---|" * (len(METRICS) + 2)
    for row in (*ROWS, *RERANKED):
        found = [f for s in range(seeds) if (f := cells.stored(kind, row, s)) is not None]
        spent = [f["seconds"] for s in range(seeds) if (f := cells.stored("selection", row, s))]
        if found:
            values = [_spread([f["values"][name] for f in found]) for name in METRICS]
            yield f"| {row} | " + " | ".join(values) + f" | {np.mean(spent):.0f} |"
    plain = [f for s in range(seeds) if (f := cells.stored(kind, KEEP_ALL, s)) is not None]
    for name in (name for name in METRICS if ":" in name and plain):
        null, error = (np.mean([f["values"][f"{name} {w}"] for f in plain]) for w in BESIDE)
        yield f"\n{name} of keep-all: null {null:.4f}, error {error:.4f}"


BESIDE = ("null", "error")


def _spread(values: list[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return f"{mean} ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else mean


def main() -> None:
    """Train what is missing, look at test, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", default="runs/rewards", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rows", nargs="*", default=[*ROWS], choices=[*ROWS])
    parser.add_argument("--table", action="store_true", help="Print and train nothing.")
    asked = parser.parse_args()
    cells = Cells(asked.data.resolve(), asked.out.resolve())
    whole = asked.rows == [*ROWS]
    if not asked.table:
        import torch

        torch.set_num_threads(1)
        for seed in range(asked.seeds):
            for row in asked.rows:
                cells.train(row, seed)
            for row in RERANKED if KEEP_ALL in asked.rows else ():
                cells.choose(row, seed)
        # Only now that nothing is left to choose.
        for seed in range(asked.seeds) if whole else ():
            for row in (*ROWS, *RERANKED):
                cells.test(row, seed)
    for kind in ("selection", "test"):
        print(f"\n{kind}\n\n" + "\n".join(table(cells, kind, asked.seeds)))


if __name__ == "__main__":
    main()
