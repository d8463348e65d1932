"""One run in one folder: config, log, checkpoints, values and result.

``result.json`` is written last and never again: where it exists the run is done, and is returned
without training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.load import dump
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.errors import CheckpointError
from dvr_ray.metrics.auc import roc_auc
from dvr_ray.tracking import Tracking
from dvr_ray.training.build import build
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.evaluation import Evaluator, mean_per_user
from dvr_ray.training.loop import Trainer
from dvr_ray.training.reporter import Reporter
from dvr_ray.training.tracked import tracked

__all__ = ["RunRequest", "finished", "read_rows", "run", "test_metrics"]


@dataclass(frozen=True)
class RunRequest:
    """What one run needs.

    Parameters
    ----------
    config : RunConfig
        The run.
    data : TrialData
        What it may see.
    folder : Path
        Where it writes.
    metrics : tuple of str
        Metrics to measure on validation-selection in any case.
    tracking : Tracking
        Where else its numbers go.
    """

    config: RunConfig
    data: TrialData
    folder: Path
    metrics: tuple[str, ...] = ()
    tracking: Tracking = field(default_factory=Tracking)


def run(
    request: RunRequest,
    reporter: Reporter,
    collective: Collective | None = None,
    device: torch.device | None = None,
) -> dict[str, Any]:
    """Train to the end, or return what was trained before.

    Parameters
    ----------
    request : RunRequest
        What to train.
    reporter : Reporter
        Takes a row after every horizon; a finished run replays its rows.
    collective : Collective, optional
        The group of workers; alone by default.
    device : torch.device, optional
        Where models live; the CPU by default.

    Returns
    -------
    dict
        The content of ``result.json``.
    """
    group = collective or OneProcess()
    done = finished(request.folder)
    tracking = request.tracking if group.rank == 0 else Tracking()
    if done is not None:
        with tracked(reporter, tracking, request.config, request.folder) as teller:
            for row in read_rows(request.folder):
                teller.report(row, None)
        return done
    trainer = Trainer(
        request.config, request.data, group, device or torch.device("cpu"), request.metrics
    )
    log = _Log(request.folder, reporter, group.rank == 0)
    epoch = trainer.resume(request.folder / "checkpoints")
    if group.rank == 0:
        request.folder.mkdir(parents=True, exist_ok=True)
        dump(request.config, request.folder / "config.yaml")
        log.drop_after(epoch)
    known = read_rows(request.folder) if epoch else []
    with tracked(log, tracking, request.config, request.folder, known) as teller:
        progress = trainer.fit(request.folder / "checkpoints", teller)
    best = trainer.load_best()
    valued = trainer.value_rows()
    result: dict[str, Any] = {
        "status": "finished",
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "selection": progress.best_metrics,
        "seconds": round(progress.seconds, 3),
    }
    if group.rank == 0:
        _save_weights(best.backbone.state_dict(), request.folder / "model.safetensors")
        if valued is not None:
            table = _value_table(request.data, trainer.mean_losses(), *valued)
            _save_table(table, request.folder / "values.parquet")
            result |= _separation(table)
        write_json(request.folder / "result.json", result)
    return result


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the result of a finished run, None where there is none.

    Raises
    ------
    CheckpointError
        If ``result.json`` is damaged.
    """
    path = folder / "result.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            str(path), f"can't be read ({error})", "delete it to train this run again"
        ) from error
    return found


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of ``metrics.jsonl``; a torn last line is left out."""
    rows = []
    path = folder / "metrics.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def load_backbone(config: RunConfig, data: TrialData, folder: Path) -> Backbone:
    """Rebuild the best backbone of a finished run, on the CPU."""
    learner = build(config, data, OneProcess(), torch.device("cpu")).learner(0)
    learner.backbone.load_state_dict(load_file(folder / "model.safetensors"))
    return learner.backbone


def test_metrics(
    config: RunConfig, data: TrialData, test: SealedTest, folder: Path, metrics: tuple[str, ...]
) -> dict[str, float]:
    """Measure a finished run on the sealed test part; the caller writes the look down.

    Parameters
    ----------
    config, data
        Of the run.
    test : SealedTest
        The test part.
    folder : Path
        The run's folder.
    metrics : tuple of str
        Metrics to measure.

    Returns
    -------
    dict
        The metrics, and ``pushed@20``, the mean number of pushed items in a top-20 list, where an
        attack was planted.
    """
    backbone = load_backbone(config, data, folder)
    evaluator = Evaluator(
        [data.train, data.reward, data.selection], {"test": test.interactions}, OneProcess()
    )
    found = evaluator.per_user(backbone, {"test": list(metrics)})["test"]
    measured = {name: mean_per_user(values) for name, values in found.items()}
    if len(data.push_targets):
        users = np.flatnonzero(test.interactions.user_counts)
        lists = evaluator.top_items(backbone, users, 20)
        measured["pushed@20"] = float(np.isin(lists, data.push_targets).sum(1).mean())
    return measured


test_metrics.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks


class _Log:
    """Appends rows to ``metrics.jsonl`` and passes them on."""

    def __init__(self, folder: Path, reporter: Reporter, writes: bool) -> None:
        self._path, self._reporter, self._writes = folder / "metrics.jsonl", reporter, writes

    def drop_after(self, epoch: int) -> None:
        """Drop rows that were logged after the epoch that the run goes on from."""
        rows = [row for row in read_rows(self._path.parent) if row["epoch"] <= epoch]
        self._path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def report(self, row: dict[str, Any], saved: Path | None) -> None:
        if self._writes:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        self._reporter.report(row, saved)


def _save_weights(weights: dict[str, Tensor], path: Path) -> None:
    temporary = path.with_name(f".{path.name}")
    save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, temporary)
    temporary.replace(path)


def _save_table(table: pd.DataFrame, path: Path) -> None:
    temporary = path.with_name(f".{path.name}")
    table.to_parquet(temporary, index=False)
    temporary.replace(path)


def _value_table(
    data: TrialData, losses: Tensor, values: Tensor, probabilities: Tensor
) -> pd.DataFrame:
    """One line per training row: original ids, value, probability and what else is known.

    Attributes of users and items are columns such as ``item.category``; features are numbered
    within their family, ``feature.counts.0``.
    """
    columns: dict[str, Any] = {
        "user": data.user_ids[data.train.users],
        "item": data.item_ids[data.train.items],
        "value": values.numpy(),
        "probability": probabilities.numpy(),
        "mean_loss": losses.numpy(),
    }
    for family, block in data.features.items():
        for number in range(block.shape[1]):
            columns[f"feature.{family}.{number}"] = block[:, number]
    if data.planted is not None and data.planted.any():
        columns["planted"] = data.planted
    # Attributes repeat in many rows: as categories, a text is kept once.
    for kind, attributes, numbers in (
        ("user", data.user_table, data.train.users),
        ("item", data.item_table, data.train.items),
    ):
        for name in attributes:
            codes = pd.Categorical(attributes[name].map(_text))
            columns[f"{kind}.{name}"] = codes[numbers]
    return pd.DataFrame(columns)


def _text(attribute: Any) -> str | None:
    """Write an attribute as text; several of one kind, such as tags, with commas."""
    if isinstance(attribute, list | tuple | np.ndarray):
        return ", ".join(map(str, attribute))
    return None if pd.isna(attribute) else str(attribute)


def _separation(table: pd.DataFrame) -> dict[str, Any]:
    """AUC of real against planted rows, of the value and of every plain score."""
    if "planted" not in table:
        return {}
    real = ~table["planted"].to_numpy()
    features = [name for name in table if name.startswith("feature.")]
    scores = {"value": table["value"], "mean_loss": -table["mean_loss"]}
    scores |= {name.removeprefix("feature."): table[name] for name in features}
    if features:
        scores["mean of features"] = table[features].mean(axis=1)
    return {"auc": {name: round(roc_auc(s.to_numpy(), real), 4) for name, s in scores.items()}}
