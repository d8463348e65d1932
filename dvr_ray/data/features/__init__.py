"""Static input features of training interactions; one file per family."""

from dvr_ray.data.features.feature import DYNAMIC, FEATURES, Feature, FeatureContext
from dvr_ray.data.features.needs import check_features
from dvr_ray.data.features.ranking import gauss_rank, loss_features, static_features

__all__ = [
    "DYNAMIC",
    "FEATURES",
    "Feature",
    "FeatureContext",
    "check_features",
    "gauss_rank",
    "loss_features",
    "static_features",
]
