"""Result folders as a sweep and a run leave them, with made-up numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dvr_ray.config.load import dump
from dvr_ray.config.space import SearchSpace

OBJECTIVE = "ndcg@20"
SPACE: dict[str, Any] = {
    "name": "quickstart",
    "run": {"data": {"noise": {"kind": "push", "share": 0.15}}},
    "search": {
        "valuator.depth": {"int": [1, 4]},
        "valuator.lr": {"float": [1e-4, 1e-1], "log": True},
        "training.lr": {"float": [1e-3, 1e-1]},
        "adapter.reward": {"choice": ["loss", "recall@20", "ndcg@20"]},
        "policy.bounds": {"choice": [[0.05, 0.95], [0.0, 1.0]]},
        "policy.normalisation": {"choice": ["sigmoid", "centred"]},
        "policy.keep_rate": {"float": [0.5, 0.99], "when": {"policy.normalisation": "centred"}},
    },
    "tune": {"objective": OBJECTIVE, "trials": 18, "minutes": 3},
}
SEEDS = (1000, 1001, 1002)


def make_space(objectives: Sequence[str] = (OBJECTIVE,), **changes: Any) -> SearchSpace:
    tune = {**SPACE["tune"], "objective": list(objectives)}
    return SearchSpace.model_validate_json(json.dumps({**SPACE, "tune": tune, **changes}))


def write_run(
    path: Path,
    *,
    peak: float = 0.19,
    reports: int = 8,
    objectives: Sequence[str] = (OBJECTIVE,),
    done: bool = True,
    rows: int = 0,
    planted: bool = True,
    seed: int = 0,
) -> Path:
    """Write a run whose metric climbs to ``peak``; ``rows`` > 0 gives it values."""
    path.mkdir(parents=True)
    random = np.random.default_rng(seed)
    (path / "config.yaml").write_text("seed: 3\nmethod: {name: dvr}\ntraining: {lr: 0.005}\n")
    lines = [
        _report(epoch, peak, objectives, bilevel=bool(rows) and epoch > 2, random=random)
        for epoch in range(1, reports + 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result: dict[str, Any] = {
        "status": "finished",
        "epoch": reports,
        "best_epoch": max(reports - 1, 1),
        "selection": {name: round(peak, 4) for name in objectives},
        "seconds": 1.5 * reports,
    }
    if rows:
        write_values(path / "values.parquet", rows, planted=planted, seed=seed)
        if planted:
            result["auc"] = {"value": 0.9 + 0.01 * (seed % 3), "mean_loss": 0.61}
    if done:
        (path / "result.json").write_text(json.dumps(result))
    return path


def write_values(path: Path, rows: int, *, planted: bool, seed: int) -> None:
    """Planted rows get low values, mixed features, and mean losses that tell little."""
    random = np.random.default_rng(seed)
    is_planted = np.arange(rows) % 7 == 0
    value = 0.8 - 1.2 * is_planted + 0.6 * random.standard_normal(rows)
    columns: dict[str, Any] = {
        "user": np.arange(rows) % 97,
        "item": np.arange(rows) % 89,
        "value": value.astype(np.float32),
        "probability": (1 / (1 + np.exp(-value / 0.25))).clip(0.05, 0.95).astype(np.float32),
        "mean_loss": (0.4 + 0.1 * is_planted + 0.25 * random.standard_normal(rows)),
        "feature.agreement.0": random.standard_normal(rows) - 0.7 * is_planted,
        "feature.overlap.0": random.standard_normal(rows),
        "feature.counts.0": random.standard_normal(rows) + 0.5 * is_planted,
        "feature.counts.1": random.standard_normal(rows) - 0.2 * is_planted,
    }
    if planted:
        columns["planted"] = is_planted
    pd.DataFrame(columns).to_parquet(path, index=False)


def write_sweep(
    path: Path,
    *,
    trials: int = 18,
    objectives: Sequence[str] = (OBJECTIVE,),
    final: bool = True,
    rows: int = 600,
    planted: bool = True,
    folders: bool = True,
    name: str = "quickstart",
    error: str = "the loss is nan; lower training.lr",
) -> Path:
    """Write a sweep: every fifth trial was stopped, every ninth failed, trial 7 is best."""
    path.mkdir(parents=True)
    space = make_space(objectives)
    dump(space, path / "space.yaml")
    random = np.random.default_rng(5)
    table = [_trial(number, objectives, random, error) for number in range(trials)]
    pd.DataFrame(table).to_csv(path / "trials.csv", index=False)
    (path / "manifest.json").write_text(json.dumps(_manifest(name, objectives, final)))
    (path / "best.yaml").write_text("seed: 0\nmethod: {name: dvr}\n")
    for row in table if folders else []:
        if row["status"] != "failed":
            write_run(
                path / "trials" / row["folder"],
                peak=row[objectives[0]],
                reports=row["epochs"],
                objectives=objectives,
                done=row["status"] == "finished",
                seed=row["trial"],
                rows=rows if row["trial"] == 7 else 0,
                planted=planted,
            )
    if final:
        _write_final(path, "hash07", objectives, rows, planted)
    return path


def _report(
    epoch: int, peak: float, objectives: Sequence[str], *, bilevel: bool, random: Any
) -> dict[str, Any]:
    level = peak * (1 - np.exp(-epoch / 2))
    row: dict[str, Any] = {
        "epoch": epoch,
        "phase": "bilevel" if bilevel else "warm-up",
        "loss": 0.69 * np.exp(-epoch / 6),
        "seconds": 1.5 * epoch,
        "selection": {name: level + 0.002 * random.standard_normal() for name in objectives},
    }
    if bilevel:
        row |= {
            "keep_rate": 0.9 - 0.01 * epoch,
            "reward": {"ndcg@20": level * 0.9},
            "valued": {name: level for name in objectives},
            "keep_all": {name: level * 0.97 for name in objectives},
            "adopted": "keep-all" if epoch == 3 else "valued",
            "monitors": {
                "keep_rate": 0.9 - 0.01 * epoch,
                "entropy": 0.5 - 0.02 * epoch,
                "advantage_variance": 0.002 / epoch,
                "value_spread": 0.1 * epoch,
                "coverage": [0.4, 0.6 + 0.01 * epoch],
                "reward_per_mask": [0.1, 0.11, 0.12, 0.1],
                "phase": "not a number",
            },
        }
    return row


def _trial(number: int, objectives: Sequence[str], random: Any, error: str) -> dict[str, Any]:
    status = "failed" if number % 9 == 8 else "stopped" if number % 5 == 4 else "finished"
    lr = float(10 ** random.uniform(-4, -1))
    score = 0.17 - 0.02 * abs(np.log10(lr) + 2.5) + 0.002 * random.standard_normal()
    score = 0.19 if number == 7 else min(score, 0.185)
    normalisation = ["sigmoid", "centred"][int(random.integers(2))]
    row: dict[str, Any] = {
        "trial": number,
        "folder": f"hash{number:02d}",
        "status": status,
        "epochs": {"finished": 8, "stopped": 3, "failed": 0}[status],
        "seconds": 12.25,
    }
    for place, name in enumerate(objectives):
        row[name] = None if status == "failed" else score + place * 0.01 * (number * 7 % 5)
    return row | {
        "best_epoch": 7,
        "error": error if status == "failed" else "",
        "config.valuator.depth": int(random.integers(1, 5)),
        "config.valuator.lr": lr,
        "config.training.lr": float(random.uniform(1e-3, 1e-1)),
        "config.adapter.reward": ["loss", "recall@20", "ndcg@20"][int(random.integers(3))],
        "config.policy.bounds": ["[0.05, 0.95]", "[0.0, 1.0]"][number % 2],
        "config.policy.normalisation": normalisation,
        "config.policy.keep_rate": 0.8 if normalisation == "centred" else None,
    }


def _manifest(name: str, objectives: Sequence[str], final: bool) -> dict[str, Any]:
    looks = [{"when": "2025-03-01T10:09:00Z", "what": "winner hash07 and its control"}]
    return {
        "name": name,
        "created": "2025-03-01T10:00:00Z",
        "versions": {"python": "3.11.9", "dvr_ray": "0.1.0", "torch": "2.13.0", "optuna": "5.0.0"},
        "data_fingerprint": "0f3a9c",
        "space_hash": "77aa01",
        "seeds": {"search": 0, "final": list(SEEDS) if final else []},
        "objectives": list(objectives),
        "looks_at_test": int(final),
        "test_looks": looks if final else [],
        "budget": {"trials": 18, "minutes": 3, "seconds_spent": 161.2},
        "counts": {"finished": 13, "stopped": 3, "failed": 2},
    }


def _write_final(
    path: Path, winner: str, objectives: Sequence[str], rows: int, planted: bool
) -> None:
    for seed in SEEDS:
        for method, peak, valued in (("dvr", 0.188, rows), ("keep-all", 0.17, 0)):
            write_run(
                path / "final" / winner / method / f"seed-{seed}",
                peak=peak,
                rows=valued,
                objectives=objectives,
                planted=planted,
                seed=seed,
            )
    content = {
        "winner": winner,
        "method": "dvr",
        "seeds": list(SEEDS),
        "selection": dict.fromkeys(objectives, 0.19),
        "test": {
            "dvr": {
                "ndcg@20": [0.186, 0.188, 0.19],
                "recall@20": [0.3, 0.31, 0.32],
                "pushed@20": [0.1, 0.2, 0.3],
            },
            "keep-all": {
                "ndcg@20": [0.17, 0.171, 0.175],
                "recall@20": [0.29, 0.29, 0.29],
                "pushed@20": [2.1, 2.2, 2.3],
            },
        },
    }
    (path / "final.json").write_text(json.dumps(content))


@pytest.fixture(scope="session")
def make_sweep() -> Callable[..., Path]:
    return write_sweep


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return write_run


@pytest.fixture(scope="session")
def space_of() -> Callable[..., SearchSpace]:
    return make_space


@pytest.fixture(scope="session")
def stored_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole sweep; only read by tests."""
    return write_sweep(tmp_path_factory.mktemp("stored") / "sweep")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)
