"""The metric adapter: from a metric on validation-reward users to a gradient for the valuator."""

from dvr_ray.rewards.adapter import MetricAdapter, Outcome

__all__ = ["MetricAdapter", "Outcome"]
