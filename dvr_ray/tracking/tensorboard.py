"""TensorBoard event files in ``tensorboard/`` of the run's folder."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from dvr_ray.tracking.tracker import TRACKERS, TrackedRun, Tracker

__all__ = ["TensorBoard"]


@TRACKERS.add("tensorboard")
class TensorBoard(Tracker):
    """Writes with tensorboardX, which comes with Ray Tune; ``tensorboard --logdir`` shows it."""

    needs = "tensorboardX"

    def __init__(self, run: TrackedRun) -> None:
        from tensorboardX import SummaryWriter

        folder = run.folder / "tensorboard"
        first = not folder.exists()
        # A file is named by the second; a resumption within it must not write over the first.
        self._writer = SummaryWriter(str(folder), filename_suffix=f".{time.time_ns()}")
        if first:
            text = json.dumps(dict(run.config), indent=1)
            self._writer.add_text("config", f"```\n{text}\n```", 0)

    def report(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write one event per number."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
