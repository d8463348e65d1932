"""Weights & Biases: one project per sweep, one run per trial, its id the hash of its config.

Offline unless WANDB_MODE says otherwise: files lie in ``wandb/`` of the run's folder, and
``wandb sync --append`` sends them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dvr_ray.tracking.tracker import TRACKERS, TrackedRun, Tracker

__all__ = ["WeightsAndBiases"]


@TRACKERS.add("wandb")
class WeightsAndBiases(Tracker):
    """Uses one W&B run, which a resumption continues."""

    needs = "wandb"

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        self._run = wandb.init(
            id=run.identity,
            resume="allow",
            project=os.environ.get("WANDB_PROJECT") or run.project,
            group=run.project,
            name=run.name,
            config=dict(run.config),
            dir=str(run.folder),
            mode=os.environ.get("WANDB_MODE") or "offline",
            settings=wandb.Settings(silent=True, console="off"),
            reinit="create_new",
        )

    def report(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the numbers at step ``epoch``."""
        self._run.log(dict(values), step=epoch, commit=True)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish(quiet=True)
