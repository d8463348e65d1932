"""Trackers get every row once, also over a kill; they change nothing and can't break a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from event_files import read_scalars
from gloo import run_group
from small_run import SMALL

from dvr_ray.config.load import apply, config_hash
from dvr_ray.config.schema import RunConfig, TrackingConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.tracking import TrackedRun, Tracker, Tracking
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import read_rows

Make = Callable[..., RunConfig]
PLAIN = {"method__name": "bpr", "training__epochs": 4}


class Fake(Tracker):
    """Keeps what it gets; what it raises is set from outside."""

    opened: ClassVar[list[TrackedRun]] = []
    got: ClassVar[list[tuple[int, Mapping[str, float]]]] = []
    closed: ClassVar[int] = 0
    fails: ClassVar[str] = ""

    def __init__(self, run: TrackedRun) -> None:
        self._fail("open")
        Fake.opened.append(run)

    def report(self, epoch: int, values: Mapping[str, float]) -> None:
        self._fail("report")
        Fake.got.append((epoch, values))

    def close(self) -> None:
        Fake.closed += 1
        self._fail("close")

    def _fail(self, where: str) -> None:
        if Fake.fails == where:
            raise ConnectionError("no route")


class Killed:
    """Stops a run after some reports."""

    def __init__(self, after: int) -> None:
        self._left = after

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _clean() -> None:
    Fake.opened, Fake.got, Fake.closed, Fake.fails = [], [], 0, ""


def _tracking(folder: Path, **fields: Any) -> Tracking:
    return Tracking(TrackingConfig(**fields), "study", folder)


HOOK = {"hooks": (f"{__name__}:Fake",)}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's module by its name: pytest's importlib mode doesn't add it."""
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _module())


def _module() -> Any:
    import types

    module = types.ModuleType(__name__)
    module.__dict__["Fake"] = Fake
    return module


def test_every_row_arrives_once_over_a_kill(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    """Killed after a report, before its checkpoint is the newest known: rows are trained again."""
    folder, config = tmp_path / "trials" / "a", small_run(**PLAIN)
    request = RunRequest(config, small_data, folder, tracking=_tracking(tmp_path, **HOOK))
    with pytest.raises(KeyboardInterrupt):
        run(request, Killed(3))
    for path in sorted(folder.glob("checkpoints/epoch-*"))[-1:]:  # as if it hadn't been written
        path.rename(path.with_name("lost"))
    run(request, Silent())
    run(request, Silent())  # a finished run is only replayed
    rows = read_rows(folder)
    assert [epoch for epoch, _ in Fake.got] == [row["epoch"] for row in rows]
    for row, (_, values) in zip(rows, Fake.got, strict=True):
        assert values["loss"] == row["loss"]
        assert values["selection/ndcg_at_20"] == row["selection"]["ndcg@20"]
    assert {opened.identity for opened in Fake.opened} == {config_hash(config)}
    assert {opened.name for opened in Fake.opened} == {"trials/a"}
    assert Fake.closed == len(Fake.opened) == 3


def test_a_tracker_that_comes_later_gets_the_earlier_rows(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(**PLAIN)
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(config, small_data, tmp_path / "run"), Killed(2))
    tracking = _tracking(tmp_path, **HOOK)
    run(RunRequest(config, small_data, tmp_path / "run", tracking=tracking), Silent())
    assert [e for e, _ in Fake.got] == [row["epoch"] for row in read_rows(tmp_path / "run")]


@pytest.mark.parametrize("where", ["open", "report", "close"])
def test_a_broken_tracker_is_a_warning(
    where: str, small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    plain = run(RunRequest(small_run(**PLAIN), small_data, tmp_path / "plain"), Silent())
    Fake.fails = where
    tracking = _tracking(tmp_path, **HOOK)
    found = run(
        RunRequest(small_run(**PLAIN), small_data, tmp_path / "run", tracking=tracking), Silent()
    )
    assert found["selection"] == plain["selection"]
    warnings = [w for row in read_rows(tmp_path / "run") for w in row.get("warnings", ())]
    ours = [text for text in warnings if text.startswith("tracking.")]
    if where != "close":
        assert len(ours) == 1 and "ConnectionError: no route" in ours[0]


def train_tracked(folder: str) -> int:
    """Train as one worker of a group, with TensorBoard; the number of rows."""
    config = apply(RunConfig(), SMALL | {"method.name": "bpr", "training.epochs": 3})
    tracking = _tracking(Path(folder), tensorboard=True)
    data, _ = prepare(config)
    run(RunRequest(config, data, Path(folder), tracking=tracking), Silent(), TorchCollective())
    return len(read_rows(Path(folder)))


def test_only_worker_0_tracks(tmp_path: Path) -> None:
    assert run_group(train_tracked, 2, str(tmp_path))[0] == 3
    assert len(list(tmp_path.glob("tensorboard/events*"))) == 1
    steps = [step for tag, step, _ in read_scalars(tmp_path / "tensorboard") if tag == "loss"]
    assert steps == [1, 2, 3]


def test_tensorboard_has_every_number_once(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    tracking = _tracking(tmp_path, tensorboard=True)
    request = RunRequest(small_run(), small_data, folder, tracking=tracking)
    with pytest.raises(KeyboardInterrupt):
        run(request, Killed(3))
    run(request, Silent())
    assert len(list(folder.glob("tensorboard/events*"))) == 2
    found = read_scalars(folder / "tensorboard")
    assert len({(tag, step) for tag, step, _ in found}) == len(found)
    values = {(tag, step): value for tag, step, value in found}
    for row in read_rows(folder):
        assert values["loss", row["epoch"]] == pytest.approx(row["loss"], rel=1e-6)
        for name, value in row["selection"].items():
            tag = "selection/" + name.replace("@", "_at_")
            assert values[tag, row["epoch"]] == pytest.approx(value, rel=1e-6)
    assert any(tag == "monitors/keep_rate" for tag, _, _ in found)


def test_tracking_is_no_part_of_a_run(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    request = RunRequest(
        small_run(**PLAIN), small_data, tmp_path, tracking=_tracking(tmp_path, **HOOK)
    )
    run(request, Silent())
    assert "tracking" not in (tmp_path / "config.yaml").read_text()
    sent = json.loads((tmp_path / "tracked.json").read_text())
    assert list(sent.values()) == [read_rows(tmp_path)[-1]["epoch"]]
