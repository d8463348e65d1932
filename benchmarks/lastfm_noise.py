"""Find planted noise on Last.FM, and what selecting by value buys.

    python benchmarks/lastfm_noise.py --data ../shared/data/lastfm-hetrec --out runs/lastfm-noise

Two kinds of noise: ``push`` (20 unpopular items, each given to 300 random real users) and
``uniform`` (30% random pairs). L2 is chosen for keep-all, on validation-selection of seed 0, and
used for every row, which favours keep-all. Every seed draws split, noise, weights and negatives
anew. Test is looked at once per run, after everything is chosen. Runs are kept: the same command
goes on after a kill.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

NOISES = {
    "push": {"kind": "push", "targets": 20, "users_per_target": 300},
    "uniform": {"kind": "uniform", "share": 0.3},
}
FIXED = "benchmarks.fixed_score:FixedScore"
# The package's defaults: short horizons from the current model, whose replicas are averaged.
SHORT: dict[str, Any] = {"adapter.horizon": {"epochs": 2}, "adapter.masks": 4, "valuator.steps": 20}
ROWS: dict[str, dict[str, Any]] = {
    "keep all (BPR)": {"method": {"name": "bpr"}},
    "mean loss": {"method": {"name": FIXED, "score": "mean loss"}},
    "mean of six features": {"method": {"name": FIXED, "score": "mean of features"}},
    "random draws, replicas averaged": SHORT | {"policy.temperature": 100.0},
    "linear valuator, user credit": SHORT | {"valuator.units": 0},
    "DVR, scalar credit": SHORT | {"adapter.credit": "scalar"},
    "DVR, scalar credit, directional": SHORT
    | {"adapter.credit": "scalar", "adapter.exploration": "directional"},
    "DVR, user+item credit": SHORT | {"adapter.credit": "user+item"},
    "DVR, user credit": SHORT,
    "DVR, user credit, from scratch": {},
    "planted rows removed by label": {"method": {"name": FIXED, "score": "planted"}},
}
KEEP_ALL, LINEAR = "keep all (BPR)", "linear valuator, user credit"
DEFAULT = "DVR, user credit, from scratch"
L2 = (0.03, 0.06, 0.1)
RIDGES = (3.0, 30.0)


def one_run(job: tuple[str, str, int, dict[str, Any], str, str]) -> dict[str, Any]:
    """Train one run, or read it, and measure test."""
    import torch

    from dvr_ray.config.load import apply, config_hash, load_run
    from dvr_ray.data.prepare import prepare
    from dvr_ray.training.reporter import Silent
    from dvr_ray.training.run import RunRequest, run, test_metrics

    torch.set_num_threads(1)
    noise, row, seed, setting, data_path, out = job
    base = load_run(REPOSITORY / "search_spaces" / "lastfm.yaml", [f"data.path={data_path}"])
    fields = {"data.noise": NOISES[noise], "seed": seed, "data.seed": seed, "split.seed": seed}
    config = apply(base, fields | ROWS[row] | setting)
    folder = Path(out) / "runs" / config_hash(config)
    data, test = prepare(config)
    result = run(RunRequest(config, data, folder), Silent())
    measured = test_metrics(config, data, test, folder, ("ndcg@20",))
    print(
        f"{noise:<8} {row:<32} seed {seed} {setting} {result['selection']['ndcg@20']:.4f}",
        flush=True,
    )
    return {
        "noise": noise, "row": row, "seed": seed, "setting": setting,
        "selection": result["selection"]["ndcg@20"], "test": measured,
        "auc": result.get("auc", {}) | mean_of_six(folder),
    }  # fmt: skip


def mean_of_six(folder: Path) -> dict[str, float]:
    """AUC of the plain mean of the six agreement features, where a run valued its rows."""
    import pandas as pd

    from dvr_ray.data.features import gauss_rank
    from dvr_ray.metrics.auc import roc_auc

    if not (folder / "values.parquet").exists():
        return {}
    values = pd.read_parquet(folder / "values.parquet")
    names = [c for c in values if c.startswith(("feature.agreement", "feature.neighbourhood"))]
    losses = gauss_rank(-values[["mean_loss"]].to_numpy())
    six = np.concatenate([values[names].to_numpy(), losses], axis=1).mean(1)
    return {"mean of six features": roc_auc(six, ~values["planted"].to_numpy())}


def row_aucs(found: list[dict[str, Any]], noise: str, row: str) -> list[float]:
    """AUC of the score that a row selects by; plain scores as one row's runs measured them."""
    plain = {"mean loss": "mean_loss", "mean of six features": "mean of six features"}
    source = DEFAULT if row in plain else row
    runs = [f for f in found if f["row"] == source and f["noise"] == noise]
    name = plain.get(row, "value")
    return [f["auc"][name] for f in runs if name in f["auc"]]


def table(found: list[dict[str, Any]], noise: str) -> str:
    """Markdown table of one kind of noise."""
    lines = [
        f"| {noise} noise | AUC of value | test ndcg@20 | pushed items in a top 20 |",
        "|---|---|---|---|",
    ]
    for row in ROWS:
        runs = [f for f in found if f["row"] == row and f["noise"] == noise]
        if not runs:
            continue
        aucs = row_aucs(found, noise, row)
        ndcg = [f["test"]["ndcg@20"] for f in runs]
        pushed = [f["test"]["pushed@20"] for f in runs if "pushed@20" in f["test"]]
        lines.append(f"| {row} | {spread(aucs, 3)} | {spread(ndcg, 4)} | {spread(pushed, 2)} |")
    return "\n".join(lines)


def fixed_aucs(found: list[dict[str, Any]], noise: str) -> str:
    """AUC of the plain scores, as the runs of one row measured them."""
    runs = [f for f in found if f["row"] == DEFAULT]
    runs = [f for f in runs if f["noise"] == noise]
    names = list(runs[0]["auc"]) if runs else []
    shown = [f"{name} {spread([f['auc'][name] for f in runs], 3)}" for name in names]
    return f"AUC of plain scores, {noise}: " + "; ".join(shown)


def spread(values: list[float], digits: int) -> str:
    """Mean ± sd."""
    if not values:
        return "-"
    return (
        f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=min(1, len(values) - 1)):.{digits}f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", default="runs/lastfm-noise")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--noise", nargs="*", default=list(NOISES))
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    asked = parser.parse_args()
    where = (str(Path(asked.data).resolve()), str(Path(asked.out).resolve()))
    with ProcessPoolExecutor(asked.processes) as pool:

        def chosen(
            row: str, settings: dict[str, list[dict[str, Any]]]
        ) -> dict[str, dict[str, Any]]:
            jobs = [(n, row, 0, s, *where) for n in asked.noise for s in settings[n]]
            found = list(pool.map(one_run, jobs))
            return {
                n: max((f for f in found if f["noise"] == n), key=lambda f: f["selection"])[
                    "setting"
                ]
                for n in asked.noise
            }

        l2 = chosen(KEEP_ALL, {n: [{"training.l2": value} for value in L2] for n in asked.noise})
        ridge = {n: [l2[n] | {"valuator.weight_decay": r} for r in RIDGES] for n in asked.noise}
        linear = chosen(LINEAR, ridge) if LINEAR in asked.rows else l2
        jobs = [
            (n, row, seed, linear[n] if row == LINEAR else l2[n], *where)
            for seed in range(asked.seeds) for n in asked.noise for row in asked.rows
        ]  # fmt: skip
        final = list(pool.map(one_run, jobs))
    text = "\n\n".join(f"{table(final, n)}\n\n{fixed_aucs(final, n)}" for n in asked.noise)
    Path(asked.out, "table.md").write_text(text + "\n", encoding="utf-8")
    Path(asked.out, "runs.json").write_text(json.dumps(final, indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
