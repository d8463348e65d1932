"""From a run config to what its trials may see, and the sealed test."""

from __future__ import annotations

from dataclasses import replace

from dvr_ray.config.schema import RunConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.features import (
    DYNAMIC,
    FEATURES,
    FeatureContext,
    check_features,
    static_features,
)
from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.data.split import split
from dvr_ray.weightings import WEIGHTINGS

__all__ = ["featured", "prepare"]


def prepare(config: RunConfig) -> tuple[TrialData, SealedTest]:
    """Load, split, plant noise and compute the static features of the training rows.

    Features are computed once here and shared by all trials, where the method reads them.

    Parameters
    ----------
    config : RunConfig
        Reads ``data``, ``split`` and ``encoder.features``.

    Returns
    -------
    TrialData, SealedTest
        What trials may see, and the test part.

    Raises
    ------
    DataError
        If the data lack what a feature is computed from.
    """
    data, test = split(load_dataset(config.data), config.split, config.data.noise, config.data.seed)
    return featured(data, config), test


def featured(data: TrialData, config: RunConfig) -> TrialData:
    """Add the static features of the training rows, where the method reads them.

    Raises
    ------
    DataError
        If the data lack what a feature is computed from.
    """
    if not WEIGHTINGS.get(config.method.name).reads_features:
        return data
    static = [
        name
        for name in config.encoder.features
        if name not in DYNAMIC and not FEATURES.get(name).needs_losses
    ]
    context = FeatureContext.of(data)
    check_features(static, context)
    return replace(data, features=static_features(context, static))
