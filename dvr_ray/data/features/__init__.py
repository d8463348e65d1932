"""Static input features of training interactions; one file per family."""

from dvr_ray.data.features.feature import DYNAMIC, FEATURES, Feature, FeatureContext
from dvr_ray.data.features.needs import check_features
from dvr_ray.data.features.part import LogPart, PartContext, WholeLog
from dvr_ray.data.features.ranking import (
    NormalQuantiles,
    gauss_rank,
    loss_features,
    raw_columns,
    static_features,
)

__all__ = [
    "DYNAMIC",
    "FEATURES",
    "Feature",
    "FeatureContext",
    "LogPart",
    "NormalQuantiles",
    "PartContext",
    "WholeLog",
    "check_features",
    "gauss_rank",
    "loss_features",
    "raw_columns",
    "static_features",
]
