"""What a running trial shows to Prometheus, through the metrics that Ray's nodes export.

Ray puts ``ray_`` before each name. Without ``ray[default]`` on the nodes nothing is exported, and
nothing goes wrong.
"""

from __future__ import annotations

from typing import Any

__all__ = ["GAUGES", "Gauges"]

GAUGES = {
    "dvr_ray_triplets_per_second": "Training rows times epochs, a second, since the last report.",
    "dvr_ray_reward": "Mean reward over masks, by metric.",
    "dvr_ray_keep_rate": "Mean probability of keeping a row.",
    "dvr_ray_entropy": "Mean entropy of the policy's coin tosses in nats.",
}


class Gauges:
    """The gauges of one trial.

    Parameters
    ----------
    sweep, trial : str
        Their names, as tags.
    rows : int
        Training rows, each a triplet in every epoch.
    """

    def __init__(self, sweep: str, trial: str, rows: int) -> None:
        from ray.util.metrics import Gauge

        self._tags = {"sweep": sweep, "trial": trial}
        keys = ("sweep", "trial", "metric")
        self._gauges = {name: Gauge(name, text, tag_keys=keys) for name, text in GAUGES.items()}
        self._rows, self._epoch, self._seconds = rows, 0, 0.0

    def show(self, row: dict[str, Any]) -> None:
        """Set what a row of ``metrics.jsonl`` says; what it lacks stays as it is."""
        epochs, seconds = row["epoch"] - self._epoch, row["seconds"] - self._seconds
        if epochs > 0 and seconds > 0:
            self._set("triplets_per_second", self._rows * epochs / seconds)
        self._epoch, self._seconds = row["epoch"], row["seconds"]
        for metric, value in row.get("reward", {}).items():
            self._set("reward", value, metric)
        if "keep_rate" in row:
            self._set("keep_rate", row["keep_rate"])
        if "entropy" in row.get("monitors", {}):
            self._set("entropy", row["monitors"]["entropy"])

    def _set(self, name: str, value: float, metric: str = "") -> None:
        self._gauges[f"dvr_ray_{name}"].set(value, tags={**self._tags, "metric": metric})
