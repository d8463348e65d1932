"""A trained run whose rows are valued again."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_run import SMALL

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.training.opened import OpenedRun, open_run
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run of 300 users and 80 items."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    changes = {"data.users": 300, "data.items": 80, "training.epochs": 6, "encoder.squares": True}
    config = apply(RunConfig(), SMALL | changes)
    data, _ = prepare(config)
    run(RunRequest(config, data, folder), Silent())
    return folder


@pytest.fixture
def opened(trained: Path) -> OpenedRun:
    return open_run(trained)
