"""MLflow: one experiment per sweep, one run per trial, found again by the hash of its config.

Numbers go to ``mlruns/`` in the folder of the sweep or run unless MLFLOW_TRACKING_URI names a
server. MLflow 3 opens such a folder only where MLFLOW_ALLOW_FILE_STORE is set, so it is set here;
its other local store, SQLite, takes ten seconds to make and isn't for many writers at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from dvr_ray.tracking.tracker import TRACKERS, TrackedRun, Tracker

__all__ = ["MLflow"]

TAG = "dvr_ray.config"
LONGEST = 500  # of a parameter's value


@TRACKERS.add("mlflow")
class MLflow(Tracker):
    """Uses MLflow's client, so that no global run is touched."""

    needs = "mlflow"

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient

        store = os.environ.get("MLFLOW_TRACKING_URI")
        if not store:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            store = (run.root / "mlruns").resolve().as_uri()
        self._client = MlflowClient(store)
        experiment = self._experiment(run.project)
        found = self._client.search_runs([experiment], f"tags.`{TAG}` = '{run.identity}'")
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        made = self._client.create_run(experiment, tags={TAG: run.identity}, run_name=run.name)
        self._id = made.info.run_id
        for name, value in _leaves("", run.config):
            self._client.log_param(self._id, name, str(value)[:LONGEST])

    def report(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the numbers as one batch."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(name, value, now, epoch) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=batch)

    def close(self) -> None:
        """End the run; a resumption opens it again."""
        self._client.set_terminated(self._id)

    def _experiment(self, name: str) -> str:
        """Return an experiment's id; trials that start side by side may all want to make it."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


def _leaves(above: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield a config's fields by dotted path."""
    if not isinstance(node, Mapping):
        yield above, node
        return
    for key, value in node.items():
        yield from _leaves(f"{above}.{key}" if above else str(key), value)
