"""Sweeps as a user starts them, in processes of their own: sharded, killed, resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from event_files import read_scalars
from event_lines import read_events

TINY = [
    "data.users=60", "data.items=50", "training.epochs=6", "training.warmup=2",
    "adapter.masks=2", "valuator.units=4", "tune.minutes=10",
]  # fmt: skip


def _command(repository: Path, out: Path, *arguments: str) -> list[str]:
    space = repository / "search_spaces" / "quickstart.yaml"
    fields = [part for field in TINY for part in ("--set", field)]
    start = [sys.executable, "-m", "dvr_ray", "tune", str(space), "--out", str(out), "--json"]
    return [*start, *fields, *arguments]


# All that a sweep may write to stderr: nothing of Ray, Optuna or Python's warnings.
OURS = re.compile(
    r"sweep |running \d+ trial|Ray is up after|warning (trial|retraining) |warnings: "
    r"|trial \d+ (finished|stopped)  epochs|still |going on: |faults: |search ended"
    r"|retraining \S+ seed \d+ finished"
)


def _events(command: list[str]) -> list[dict[str, Any]]:
    """Run to the end; the events, each of which fits the schema."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=230)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if not OURS.match(line)]
    return read_events(done.stdout)


def _run(command: list[str]) -> dict[str, Any]:
    return _events(command)[-1]


def _of(kind: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


@pytest.mark.ray
def test_sharded_sweep_from_end_to_end(repository: Path, tmp_path: Path) -> None:
    """Two trials, each a Ray Train group of two workers (two groups in all)."""
    out = tmp_path / "sweep"
    command = _command(
        repository, out, "--workers", "2", "--trials", "2", "--set", "tune.final_seeds=0",
        "--set", "tune.scheduler=none", "--set", "tracking.tensorboard=true",
    )  # fmt: skip
    events = _events(command)
    summary = events[-1]
    trials = pd.read_csv(out / "trials.csv")
    assert list(trials["status"]) == ["finished", "finished"]
    _check_events(events, out, trials)
    assert trials["config.valuator.depth"][0] == 1 and trials["config.training.lr"][0] == 0.01
    for folder, value in zip(trials["folder"], trials["ndcg@20"], strict=True):
        result = json.loads((out / "trials" / folder / "result.json").read_text())
        assert result["selection"]["ndcg@20"] == pytest.approx(value)
        assert 0 <= value <= 1
    assert summary["best"]["selection"]["ndcg@20"] == trials["ndcg@20"].max()
    assert (out / "best.yaml").exists() and (out / "report.html").exists()


def _check_events(events: list[dict[str, Any]], out: Path, trials: pd.DataFrame) -> None:
    """Every trial started, reported every row that it wrote, and ended once; so says the log."""
    assert _of("started", events)[0]["trials"] == 2 and events[-1]["event"] == "finished"
    assert [event["trial"] for event in _of("trial_ended", events)] == [0, 1]
    log = (out / "log.txt").read_text()
    for trial, folder in enumerate(trials["folder"]):
        started = [e for e in _of("trial_started", events) if e["trial"] == trial]
        assert [event["folder"] for event in started] == [folder]
        lines = (out / "trials" / folder / "metrics.jsonl").read_text().splitlines()
        told = [e for e in _of("trial_reported", events) if e["trial"] == trial]
        assert [e["epoch"] for e in told] == [json.loads(line)["epoch"] for line in lines]
        assert f"trial {trial} finished" in log
        tracked = read_scalars(out / "trials" / folder / "tensorboard")
        steps = [step for tag, step, _ in tracked if tag == "loss"]
        assert steps == [event["epoch"] for event in told]


@pytest.mark.gpu
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("workers", "gpus"), [(1, 0.5), (2, 0.5)])
def test_small_trials_share_a_gpu(
    repository: Path, tmp_path: Path, workers: int, gpus: float
) -> None:
    """Two trials at once with half a GPU each, or one whose two workers have half of it each."""
    out = tmp_path / "sweep"
    command = _command(
        repository, out, "--workers", str(workers), "--trials", "2", "--set", "tune.concurrent=2",
        "--set", f"resources.gpus_per_worker={gpus}", "--set", "tune.scheduler=none",
    )  # fmt: skip
    seen = _of("cluster_seen", _events(command))
    assert list(pd.read_csv(out / "trials.csv")["status"]) == ["finished", "finished"]
    assert max(event["gpus_used"] for event in seen) == 1


@pytest.mark.ray
@pytest.mark.slow
def test_killed_sweep_goes_on_and_repeats_nothing(repository: Path, tmp_path: Path) -> None:
    """kill -9 within a second after the first result.json; resumed twice."""
    out = tmp_path / "sweep"
    command = _command(repository, out, "--trials", "4", "--set", "tune.final_seeds=1")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 150
    while not (finished := list(out.glob("trials/*/result.json"))):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in finished}

    events = _events([*command, "--resume"])
    summary = events[-1]
    earlier = [event["folder"] for event in _of("trial_ended", events) if event["earlier"]]
    assert {path.parent.name for path in finished} <= set(earlier)
    assert {event["status"] for event in _of("retraining", events)} >= {"waiting", "finished"}
    trials = pd.read_csv(out / "trials.csv")
    assert summary["trials"] == len(trials) == 4
    assert trials["folder"].is_unique and not (trials["status"] == "failed").any()
    for path, (content, written) in before.items():
        assert path.read_bytes() == content and path.stat().st_mtime_ns == written
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["looks_at_test"] == 1

    results = {p: p.stat().st_mtime_ns for p in out.glob("**/result.json")}
    again = _run([*command, "--resume"])
    assert again["best"] == summary["best"] and again["final"] == summary["final"]
    assert {p: p.stat().st_mtime_ns for p in out.glob("**/result.json")} == results
    assert json.loads((out / "manifest.json").read_text())["looks_at_test"] == 1


@pytest.mark.ray
@pytest.mark.slow
def test_killed_sharded_sweep_goes_on(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    command = _command(
        repository, out, "--workers", "2", "--trials", "2", "--set", "tune.final_seeds=0",
        "--set", "tune.scheduler=none", "--set", "training.epochs=30",
    )  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 150
    while not list(out.glob("trials/*/checkpoints/epoch-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(8)  # the workers notice that their driver is gone
    _run([*command, "--resume"])
    trials = pd.read_csv(out / "trials.csv")
    assert list(trials["status"]) == ["finished", "finished"]


@pytest.mark.ray
def test_another_sweep_in_the_folder_is_refused(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    out.mkdir()
    manifest = {
        "space_hash": "0123456789ab", "data_fingerprint": "", "seeds": {}, "looks_at_test": 0,
        "test_looks": [], "budget": {"seconds_spent": 0.0},
    }  # fmt: skip
    (out / "manifest.json").write_text(json.dumps(manifest))
    done = subprocess.run(
        _command(repository, out), capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 2
    assert "holds another sweep" in done.stderr and "0123456789ab" in done.stderr
    assert "Traceback" not in done.stderr
