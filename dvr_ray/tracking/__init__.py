"""Sending a run's numbers to TensorBoard, MLflow, Weights & Biases or a tracker of one's own."""

from dvr_ray.tracking.tracker import TRACKERS, TrackedRun, Tracker, Tracking, check_tracking

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "Tracking", "check_tracking"]
