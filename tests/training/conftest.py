"""Small runs shared by the tests of training."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from small_run import SMALL

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.prepare import prepare


@pytest.fixture
def small_run() -> Callable[..., RunConfig]:
    """Make a run of a second or less; fields by dotted path."""
    return lambda **fields: apply(
        RunConfig(), SMALL | {k.replace("__", "."): v for k, v in fields.items()}
    )


@pytest.fixture(scope="session")
def small_data() -> TrialData:
    return prepare(apply(RunConfig(), SMALL))[0]
