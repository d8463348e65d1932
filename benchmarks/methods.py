"""All methods on one data set at equal budget: a sweep each, winners on fresh seeds, paired tests.

    python benchmarks/methods.py --data ../shared/data/lastfm-hetrec --out runs/methods

Every method gets the same search (trials, epochs, sampler, scheduler) of the base file and its own
override file; its winner is retrained on the same seeds and looks at test once. Differences are
taken against BPR and against DNS, both tuned alike: over seeds (paired t-test on the n seeds), and
over users (paired t-test on each user's mean over seeds). A sweep that is there already is resumed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import load_run  # noqa: E402
from dvr_ray.data.interactions import SealedTest, TrialData  # noqa: E402
from dvr_ray.training.evaluation import Evaluator  # noqa: E402
from dvr_ray.training.opened import load_backbone  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

SPACES = REPOSITORY / "search_spaces"
METHODS = ("bpr", "wbpr", "aobpr", "bpr-5", "pris", "dns", "tce-bpr", "rce-bpr", "til-ui", "til-mi",
           "dvr", "dns-dvr", "ease")  # fmt: skip
AGAINST = ("bpr", "dns")
METRIC = "ndcg@20"


@dataclass(frozen=True)
class Row:
    """What one method's winner did on test: values by seed and by user."""

    method: str
    trials: int
    seconds: float
    test: dict[str, list[float]]
    users: np.ndarray


def sweep(method: str, asked: argparse.Namespace) -> Path:
    """Run or resume the sweep of one method."""
    folder = Path(asked.out) / method
    command = [sys.executable, "-m", "dvr_ray", "tune", str(SPACES / "data" / f"{asked.base}.yaml")]
    if asked.backbone and method != "ease":
        command += ["--with", str(SPACES / "backbones" / f"{asked.backbone}.yaml")]
    command += ["--with", str(SPACES / "methods" / f"{method}.yaml")]
    command += ["--set", f"data.path={asked.data}", "--set", f"name={asked.base}-{method}"]
    command += ["--out", str(folder)] + (["--resume"] if folder.exists() else [])
    command += [part for override in asked.set for part in ("--set", override)]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    return folder


def measured(method: str, folder: Path) -> Row:
    """Read what a sweep stored, and measure its winner's users."""
    final = json.loads((folder / "final.json").read_text(encoding="utf-8"))
    trials = (folder / "trials.csv").read_text(encoding="utf-8").splitlines()[1:]
    runs = folder / "final" / final["winner"] / final["method"]
    # Seeds differ in weights and draws; the data are those of the sweep.
    parts = prepare(load_run(runs / f"seed-{final['seeds'][0]}" / "config.yaml"))
    found = [_per_user(runs / f"seed-{seed}", *parts) for seed in final["seeds"]]
    spent = [json.loads((runs / f"seed-{seed}" / "result.json").read_text(encoding="utf-8"))
             ["seconds"] for seed in final["seeds"]]  # fmt: skip
    return Row(
        method,
        len(trials),
        float(np.mean(spent)),
        final["test"][final["method"]],
        np.mean(found, axis=0),
    )


def _per_user(folder: Path, data: TrialData, test: SealedTest) -> np.ndarray:
    config = load_run(folder / "config.yaml")
    evaluator = Evaluator(
        [data.train, data.reward, data.selection], {"test": test.interactions}, OneProcess()
    )
    found = evaluator.per_user(load_backbone(config, data.train, folder), {"test": [METRIC]})
    values: np.ndarray = found["test"][METRIC].numpy()
    return values


def line(row: Row, rows: dict[str, Row]) -> list[str]:
    """Write one row of the table."""
    cells = [row.method, str(row.trials)]
    for metric in (METRIC, "recall@20"):
        values = row.test[metric]
        cells.append(f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}")
    cells += [_against(row, rows.get(other)) for other in AGAINST]
    return [*cells, f"{row.seconds:.0f}"]


def _against(row: Row, other: Row | None) -> str:
    if other is None or other is row:
        return "-"
    gaps = np.subtract(row.test[METRIC], other.test[METRIC])
    seeds = stats.ttest_rel(row.test[METRIC], other.test[METRIC]).pvalue
    known = ~np.isnan(row.users)
    users = stats.ttest_rel(row.users[known], other.users[known]).pvalue
    return f"{gaps.mean():+.4f} (p {_short(seeds)} / {_short(users)})"


def _short(p: Any) -> str:
    return "<.001" if p < 1e-3 else f"{p:.3f}".lstrip("0")


def main() -> None:
    """Run the sweeps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", default="runs/methods")
    parser.add_argument("--base", default="lastfm", help="A file in search_spaces/data.")
    parser.add_argument("--backbone", help="A file in search_spaces/backbones.")
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--set", nargs="*", default=[], metavar="PATH=VALUE")
    asked = parser.parse_args()
    torch.set_num_threads(2)
    rows = {method: measured(method, sweep(method, asked)) for method in asked.methods}
    head = ["method", "trials", METRIC, "recall@20"]
    head += [f"{METRIC} against {other} (p over seeds / users)" for other in AGAINST]
    print("| " + " | ".join([*head, "seconds a run"]) + " |")
    print("|" + "---|" * (len(head) + 1))
    for row in rows.values():
        print("| " + " | ".join(line(row, rows)) + " |")


if __name__ == "__main__":
    main()
