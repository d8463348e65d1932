"""MLflow and W&B as their hooks use them, with fakes that keep what they are told."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.config.schema import TrackingConfig
from dvr_ray.errors import ConfigError
from dvr_ray.tracking import TRACKERS, TrackedRun, check_tracking
from dvr_ray.tracking.tracker import scalars

Spaces = types.SimpleNamespace


def _run(folder: Path, identity: str = "0123456789ab") -> TrackedRun:
    return TrackedRun(
        folder=folder / "trials" / identity,
        identity=identity,
        name=f"trials/{identity}",
        config={"seed": 0, "training": {"lr": 0.1, "metric": "m" * 900}},
        project="study",
        root=folder,
    )


class FakeError(Exception):
    """In place of MlflowException."""


class FakeMetric(Spaces):
    """In place of MLflow's entity."""

    def __init__(self, key: str, value: float, timestamp: int, step: int) -> None:
        super().__init__(key=key, value=value, step=step)


class FakeStore:
    """An MLflow server and its client: experiments by name, runs with params and metrics."""

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.uris: list[str] = []
        self.hidden = 0
        """How many look-ups of an experiment still miss it, as if another trial made it now."""

    def client(self, uri: str) -> FakeStore:
        self.uris.append(uri)
        return self

    def get_experiment_by_name(self, name: str) -> Any:
        self.hidden -= 1
        if self.hidden >= 0 or name not in self.experiments:
            return None
        return Spaces(experiment_id=self.experiments[name])

    def create_experiment(self, name: str) -> str:
        if name in self.experiments:
            raise FakeError("exists")
        self.experiments[name] = str(len(self.experiments) + 1)
        return self.experiments[name]

    def search_runs(self, experiments: list[str], query: str) -> list[Any]:
        return [
            Spaces(info=Spaces(run_id=run_id))
            for run_id, run in self.runs.items()
            if run["experiment"] in experiments
            and any(query == f"tags.`{k}` = '{v}'" for k, v in run["tags"].items())
        ]

    def create_run(self, experiment: str, tags: dict[str, str], run_name: str) -> Any:
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = {
            "experiment": experiment, "tags": tags, "name": run_name,
            "params": {}, "metrics": [], "status": "RUNNING",
        }  # fmt: skip
        return Spaces(info=Spaces(run_id=run_id))

    def update_run(self, run_id: str, status: str) -> None:
        self.runs[run_id]["status"] = status

    def log_param(self, run_id: str, name: str, value: str) -> None:
        assert name not in self.runs[run_id]["params"] and len(value) <= 500
        self.runs[run_id]["params"][name] = value

    def log_batch(self, run_id: str, metrics: list[Any]) -> None:
        self.runs[run_id]["metrics"] += [(m.key, m.step, m.value) for m in metrics]

    def set_terminated(self, run_id: str) -> None:
        self.runs[run_id]["status"] = "FINISHED"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    store = FakeStore()
    for name, content in (
        ("mlflow", {"MlflowClient": store.client}),
        ("mlflow.entities", {"Metric": FakeMetric}),
        ("mlflow.exceptions", {"MlflowException": FakeError}),
    ):
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return store


def test_mlflow_continues_a_run_after_a_resumption(store: FakeStore, tmp_path: Path) -> None:
    for epochs in ([1, 2], [3]):
        tracker = TRACKERS.get("mlflow")(_run(tmp_path))
        assert [run["status"] for run in store.runs.values()] == ["RUNNING"]
        for epoch in epochs:
            tracker.report(epoch, {"loss": 0.5, "selection/ndcg_at_20": 0.1})
        tracker.close()
    TRACKERS.get("mlflow")(_run(tmp_path, "ba9876543210")).close()
    first, second = store.runs.values()
    assert [step for key, step, _ in first["metrics"] if key == "loss"] == [1, 2, 3]
    assert first["status"] == "FINISHED" and first["name"] == "trials/0123456789ab"
    assert first["params"] == {"seed": "0", "training.lr": "0.1", "training.metric": "m" * 500}
    assert not second["metrics"] and first["experiment"] == second["experiment"] == "1"
    assert list(store.experiments) == ["study"]


def test_mlflow_writes_below_the_sweep_unless_told_otherwise(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TRACKERS.get("mlflow")(_run(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://here:5000")
    TRACKERS.get("mlflow")(_run(tmp_path))
    assert store.uris == [(tmp_path / "mlruns").as_uri(), "http://here:5000"]


def test_two_trials_may_make_the_experiment_at_once(store: FakeStore, tmp_path: Path) -> None:
    store.experiments["study"] = "7"
    store.hidden = 1
    TRACKERS.get("mlflow")(_run(tmp_path))
    assert store.runs["run-0"]["experiment"] == "7"


class FakeWandb(types.ModuleType):
    """Keeps the arguments of ``init`` and what its runs log."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.inits: list[dict[str, Any]] = []
        self.logged: list[tuple[str, int, dict[str, float]]] = []
        self.finished = 0
        self.Settings = Spaces

    def init(self, **fields: Any) -> Any:
        self.inits.append(fields)

        def log(values: dict[str, float], step: int, commit: bool) -> None:
            self.logged.append((fields["id"], step, values))

        def finish(quiet: bool) -> None:
            self.finished += 1

        return Spaces(log=log, finish=finish)


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return fake


def test_wandb_continues_a_run_after_a_resumption(wandb: FakeWandb, tmp_path: Path) -> None:
    for epoch in (1, 2):
        tracker = TRACKERS.get("wandb")(_run(tmp_path))
        tracker.report(epoch, {"loss": 0.5})
        tracker.close()
    assert wandb.logged == [("0123456789ab", epoch, {"loss": 0.5}) for epoch in (1, 2)]
    assert wandb.finished == 2
    assert {init["resume"] for init in wandb.inits} == {"allow"}
    assert {init["project"] for init in wandb.inits} == {"study"}


def test_wandb_is_offline_unless_told_otherwise(
    wandb: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TRACKERS.get("wandb")(_run(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    TRACKERS.get("wandb")(_run(tmp_path))
    assert [init["mode"] for init in wandb.inits] == ["offline", "online"]
    assert wandb.inits[1]["project"] == "ours"


def test_rows_become_numbers_by_path() -> None:
    row = {
        "epoch": 3, "phase": "bilevel", "loss": 0.5, "selection": {"ndcg@20": 0.1},
        "monitors": {"coverage": [0.5, 0.75], "keep_rate": 0.7}, "warnings": ["dead: x"],
    }  # fmt: skip
    assert scalars(row) == {
        "epoch": 3.0,
        "loss": 0.5,
        "selection/ndcg_at_20": 0.1,
        "monitors/coverage/0": 0.5,
        "monitors/coverage/1": 0.75,
        "monitors/keep_rate": 0.7,
    }


def test_a_missing_package_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TRACKERS.get("wandb"), "needs", "no_such_package")
    with pytest.raises(ConfigError) as error:
        check_tracking(TrackingConfig(wandb=True), "x.yaml: tracking")
    assert "x.yaml: tracking.wandb" in str(error.value) and "dvr_ray[wandb]" in str(error.value)
    with pytest.raises(ConfigError, match=r"tracking\.hooks: can't import"):
        check_tracking(TrackingConfig(hooks=("no.such:Tracker",)), "tracking")
    check_tracking(TrackingConfig(tensorboard=True), "tracking")
    assert not TrackingConfig().names
