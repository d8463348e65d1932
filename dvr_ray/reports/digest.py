"""``summary.json``: the numbers of a page, for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from dvr_ray.reports.auc import Separation
from dvr_ray.reports.findings import RunFindings, SweepFindings
from dvr_ray.reports.sides import Side
from dvr_ray.reports.summary import Summary
from dvr_ray.reports.tables import FinalRow
from dvr_ray.reports.trials import Trial
from dvr_ray.reports.values import QUANTILES, Spread

__all__ = [
    "auc_digest",
    "plain",
    "run_digest",
    "summary_digest",
    "sweep_digest",
    "trial_digest",
]


def sweep_digest(found: SweepFindings) -> dict[str, Any]:
    """Return the numbers of a sweep's page as plain values."""
    sweep, winner = found.sweep, found.sweep.winner
    manifest = sweep.manifest
    content = {
        "kind": "sweep",
        **manifest.model_dump(mode="json", exclude={"directions"}),
        "trials": {"all": len(sweep.trials), **sweep.counts()},
        "fields_searched": len(sweep.space.search),
        "best": winner and trial_digest(winner),
        "test": {row.metric: _test_digest(row) for row in found.final},
        "auc_over_seeds": found.auc and summary_digest(found.auc),
        "importances": found.importances,
        "front": [trial_digest(trial) for trial in found.front],
        "run": found.shown and _run_part(found.shown),
    }
    return dict(plain(content))


def run_digest(found: RunFindings) -> dict[str, Any]:
    """Return the numbers of a run's page as plain values."""
    return dict(plain({"kind": "run", **_run_part(found)}))


def summary_digest(summary: Summary) -> dict[str, Any]:
    """Return mean, sd and number of seeds."""
    return {"mean": summary.mean, "sd": summary.sd, "seeds": summary.count}


def trial_digest(trial: Trial) -> dict[str, Any]:
    """Return which trial it is, its objectives at its best epoch, and what stands beside them."""
    return {
        "trial": trial.number,
        "folder": trial.folder,
        "epoch": trial.best_epoch,
        "objectives": trial.objectives,
        "beside": trial.beside,
    }


def auc_digest(separation: Separation) -> dict[str, Any]:
    """Return an AUC with the band that random scores reach (95%)."""
    return {
        "score": separation.name,
        "auc": separation.auc,
        "chance": 0.5,
        "chance_half_width": separation.half_width,
    }


def plain(content: Any) -> Any:
    """Turn content into what JSON can hold.

    A number that isn't finite becomes null, and what YAML knows beyond JSON, such as dates, text.
    """
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content if content is None or isinstance(content, str | int | float) else str(content)


def _test_digest(row: FinalRow) -> dict[str, Any]:
    return {
        "methods": {name: summary_digest(summary) for name, summary in row.methods.items()},
        "difference": row.difference and summary_digest(row.difference),
    }


def _run_part(found: RunFindings) -> dict[str, Any]:
    run = found.run
    last = run.reports[-1] if run.reports else None
    adopted, compared = found.gate
    return {
        "folder": run.folder.name,
        "finished": run.result is not None,
        "epochs": run.result.epoch if run.result else last.epoch if last else 0,
        "best_epoch": run.result and run.result.best_epoch,
        "seconds": run.result.seconds if run.result else last.seconds if last else 0.0,
        "selection": run.result.selection if run.result else {},
        "gate": {"adopted_keep_all": adopted, "compared": compared},
        "warnings": [
            {"epoch": report.epoch, "warning": warning}
            for report in run.reports
            for warning in report.warnings
        ],
        "monitors": {
            name: numbers[0] if len(numbers) == 1 else numbers
            for name, numbers in found.monitors.items()
        },
        "auc": [auc_digest(separation) for separation in found.separations],
        "values": [_spread_digest(spread) for spread in found.spreads],
        **{f"{side.kind}s": _side_digest(side) for side in found.sides},
    }


def _spread_digest(spread: Spread) -> dict[str, Any]:
    return asdict(spread) | {
        "quantiles": {f"{q:g}": v for q, v in zip(QUANTILES, spread.quantiles, strict=True)}
    }


def _side_digest(side: Side) -> dict[str, Any]:
    return {
        "count": len(side.means),
        "rows_at_least": side.least,
        "with_enough_rows": side.able,
        "listed": [
            {
                "id": member.name,
                "attributes": dict(zip(side.attributes, member.attributes, strict=False)),
                "rows": member.rows,
                "mean_value": member.value,
                "mean_probability": member.probability,
                "share_planted": member.planted,
            }
            for member in side.listed
        ],
    }
