"""Ranking metrics, one file each, and the AUC that reports use."""

from dvr_ray.metrics.metric import METRICS, Metric, parse
from dvr_ray.metrics.scoring import hits, score

__all__ = ["METRICS", "Metric", "hits", "parse", "score"]
