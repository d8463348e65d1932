"""One run in one folder: config, log, checkpoints, values and result.

``result.json`` is written last and never again: where it exists the run is done, and is returned
without training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.load import dump
from dvr_ray.config.schema import Parallel, RunConfig
from dvr_ray.data.catalogue import KnownCatalogue
from dvr_ray.data.interactions import TrialData
from dvr_ray.files import clear_leftovers, locked, patient, placed
from dvr_ray.storage import Mirror, Upload
from dvr_ray.tracking import Tracking
from dvr_ray.training.checkpoint import Progress, write_json, write_tensors
from dvr_ray.training.final_metrics import chance_on_selection
from dvr_ray.training.loop import Trainer
from dvr_ray.training.pretraining import (
    FOLDER,
    fingerprint,
    first_run,
    pretrained,
    second_run,
    stored_valuator,
)
from dvr_ray.training.reporter import Reporter, RowLog, Silent
from dvr_ray.training.stored import (
    FAILURE,
    HISTORY,
    MODEL,
    VALUATOR,
    VALUES,
    drop_after,
    finished,
    read_rows,
)
from dvr_ray.training.tracked import tracked
from dvr_ray.training.value_table import loss_separation, separation, value_table

__all__ = ["RunRequest", "run", "take_over"]


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
    replay : bool
        Whether a run that goes on reports its earlier rows again, for a searcher that must know
        them all.
    mirror : Mirror or None
        Where a copy of the folder is kept, which then is the mirror's.
    """

    config: RunConfig
    data: TrialData
    folder: Path
    metrics: tuple[str, ...] = ()
    tracking: Tracking = field(default_factory=Tracking)
    replay: bool = False
    mirror: Mirror | None = None


def run(
    request: RunRequest,
    reporter: Reporter,
    collective: Collective | None = None,
    device: torch.device | None = None,
    parallel: Parallel = "batches",
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
    parallel : str
        What the workers share: batches or masks. The numbers are the same.

    Returns
    -------
    dict
        The content of ``result.json``.
    """
    group = collective or OneProcess()
    if request.mirror is not None:
        request = replace(request, folder=request.mirror.folder)
    with _alone(request, group) as upload:
        reporter = _Uploading(reporter, upload)
        done = finished(request.folder)
        if done is None:
            place = device or torch.device("cpu")
            given, told = _pretrained(request, group, place, parallel)
            config = second_run(request.config)
            trainer = Trainer(config, request.data, group, place, request.metrics, parallel)
            trainer.weighting.load_valuator(given)
            return _train(trainer, request, reporter, group, told)
        tracking = request.tracking if group.rank == 0 else Tracking()
        with tracked(reporter, tracking, request.config, request.folder) as teller:
            _replay(request.folder, done["epoch"], teller)
        return done


def _pretrained(
    request: RunRequest, group: Collective, device: torch.device, parallel: Parallel
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the valuator that is held fixed, and what is told of it; empty where it learns."""
    named, folder = pretrained(request.config), request.folder / FOLDER
    if not named:
        return {}, {}
    told: dict[str, Any] = {"run": named}
    if isinstance(named, str):
        folder = Path(named)
    else:
        first = replace(
            request, config=first_run(request.config), folder=folder, tracking=Tracking()
        )
        done = run(first, Silent(), group, device, parallel)
        told = {"run": FOLDER, "seconds": done["seconds"], "best_epoch": done["best_epoch"]}
    return stored_valuator(folder), {"pretrained": told | {"valuator": fingerprint(folder)}}


@contextmanager
def _alone(request: RunRequest, group: Collective) -> Iterator[Upload]:
    """Hold the run's folder: workers of a killed driver may go on for some seconds."""
    folder, upload = request.folder, Upload(request.mirror)
    if group.rank > 0:
        upload.fetch()
        group.sum_(torch.zeros(1))
        yield upload
        return
    with locked(folder / ".run.lock"):
        clear_leftovers(folder)
        clear_leftovers(folder / "checkpoints")
        upload.fetch()
        group.sum_(torch.zeros(1))
        with upload:
            yield upload


class _Uploading:
    """Has what was written before a row copied to the storage, and passes the row on."""

    def __init__(self, reporter: Reporter, upload: Upload) -> None:
        self._reporter, self._upload = reporter, upload

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self._upload.soon()
        self._reporter.report(row, checkpoint)


def take_over(request: RunRequest) -> None:
    """Fetch what was trained on another machine, without its checkpoints.

    Raises
    ------
    StorageError
        If it can't be read.
    """
    if request.mirror is not None and finished(request.folder) is None:
        request.mirror.fetch(light=True)


def _replay(folder: Path, epoch: int, reporter: Reporter) -> None:
    """Report what was trained before, for whoever must know every row."""
    for row in read_rows(folder):
        if row["epoch"] <= epoch:
            reporter.report(row, None)


def _train(
    trainer: Trainer,
    request: RunRequest,
    reporter: Reporter,
    group: Collective,
    told: dict[str, Any],
) -> dict[str, Any]:
    folder = request.folder
    epoch = trainer.resume(folder / "checkpoints")
    if group.rank == 0:
        (folder / FAILURE).unlink(missing_ok=True)
        dump(request.config, folder / "config.yaml")
        drop_after(folder, epoch)
    if request.replay:
        _replay(folder, epoch, reporter)
    progress = _fit(trainer, request, reporter, group)
    best = trainer.load_best()
    valued = trainer.value_rows()
    result: dict[str, Any] = {
        "status": "finished",
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "selection": progress.best_metrics,
        "seconds": round(progress.seconds, 3),
        **told,
    }
    if group.rank == 0:
        KnownCatalogue.of(request.data).write(folder)
        write_tensors(folder / MODEL, best.backbone.state_dict())
        result["selection"] |= chance_on_selection(
            request.config, request.data, best.backbone, list(progress.best_metrics)
        )
        tensors = trainer.weighting.valuator_tensors()
        if tensors:
            write_tensors(folder / VALUATOR, tensors)
        if trainer.valuators.history:
            write_tensors(folder / HISTORY, trainer.valuators.history)
        if sent := [row["sent_mb"] for row in read_rows(folder) if "sent_mb" in row]:
            result["sent_mb"] = round(sum(sent), 3)
        losses = trainer.mean_losses()
        if valued is None:
            result |= loss_separation(request.data, losses)
        else:
            table = value_table(request.data, losses, valued.values, valued.probabilities)
            _write_values(table, folder)
            result |= separation(table) | {"passes": round(valued.passes, 4)}
        write_json(folder / "result.json", result)
    return result


@patient
def _write_values(table: pd.DataFrame, folder: Path) -> None:
    with placed(folder / VALUES) as temporary:
        table.to_parquet(temporary, index=False)


def _fit(trainer: Trainer, request: RunRequest, reporter: Reporter, group: Collective) -> Progress:
    """Train; worker 0 sends each row to the trackers and logs it before its checkpoint."""
    checkpoints = request.folder / "checkpoints"
    if group.rank > 0:
        return trainer.fit(checkpoints, reporter)
    log, known = RowLog(request.folder / "metrics.jsonl"), read_rows(request.folder)
    sent = group.traffic.sent

    def tell(row: dict[str, Any]) -> None:
        nonlocal sent
        if group.size > 1:
            row["sent_mb"] = round((group.traffic.sent - sent) / 1e6, 3)
            sent = group.traffic.sent
        teller.report(row, None)

    with tracked(log, request.tracking, request.config, request.folder, known) as teller:
        return trainer.fit(checkpoints, reporter, tell)
