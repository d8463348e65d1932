"""Metrics of top-K lists, one file each or per family, and the AUC that reports use."""

from dvr_ray.metrics.catalogue import Catalogue
from dvr_ray.metrics.lists import Lists, hits
from dvr_ray.metrics.metric import (
    METRICS,
    AggregateMetric,
    ExposureMetric,
    GroupMetric,
    Metric,
    UserMetric,
    parse,
)
from dvr_ray.metrics.needs import check_needs
from dvr_ray.metrics.scoring import score
from dvr_ray.metrics.tally import Tally

__all__ = [
    "METRICS",
    "AggregateMetric",
    "Catalogue",
    "ExposureMetric",
    "GroupMetric",
    "Lists",
    "Metric",
    "Tally",
    "UserMetric",
    "check_needs",
    "hits",
    "parse",
    "score",
]
