"""One small finished run that several test files look at; nobody writes into its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_run import SMALL

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run

__all__ = ["finished_run"]


def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its folder; trained once a session."""
    folder = tmp_path_factory.getbasetemp() / "finished-run"
    if not (folder / "result.json").exists():
        config = apply(RunConfig(), SMALL)
        run(RunRequest(config, prepare(config)[0], folder), Silent())
    return folder
