"""kill -9 at random moments: what was found is what an undisturbed sweep finds, exactly.

The sampler is random, nothing is stopped early, one trial runs at a time, and all is float64.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kills import TRIALS, Family, ended, kill, leftovers, moments, results, start, tune, wait
from kills import write_space as space_in

ACTOR, WORKER = "ray::ImplicitFunc", "ray::RayTrainWorker"


# A sweep that kills the process of its second trial when that has ended: it waits for the third.
IDLE = """
import os, signal
from dvr_ray.cli.main import main
from dvr_ray.tuning.search import TrialEvents
tell, ended = TrialEvents.on_trial_complete, []
def on_trial_complete(self, iteration, trials, trial, **info):
    tell(self, iteration, trials, trial, **info)
    ended.append(trial)
    if len(ended) == 2:
        os.kill(trial.last_result["pid"], signal.SIGKILL)
TrialEvents.on_trial_complete = on_trial_complete
main()
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A space, and what a sweep over it finds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    space = space_in(folder)
    process = start(tune(space, folder / "out"))
    ended(process)
    found = results(folder / "out")
    assert len(found) == 2 + TRIALS
    return space, found


def _stamps(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("trials/*/result.json")}


def _kill_driver(command: list[str], out: Path, delay: float) -> dict[Path, int]:
    """Kill a sweep some time after its first checkpoint; the results it had."""
    process = start(command)
    family = Family(process.pid)
    wait(lambda: list(out.glob("trials/*/checkpoints/epoch-*")), process)
    family.look()
    time.sleep(delay)
    kill(process.pid)
    process.communicate()
    before = _stamps(out)
    assert not family.survivors(agents=False)
    return before


@pytest.mark.ray
@pytest.mark.slow
def test_killed_driver(undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """At a random moment; then resumed, and resumed again when all is done."""
    space, found = undisturbed
    out = tmp_path / "out"
    before = _kill_driver(tune(space, out), out, moments("driver").uniform(0, 4))
    ended(start(tune(space, out, "--resume")))
    assert results(out) == found
    after = _stamps(out)
    assert len(after) == TRIALS and before.items() <= after.items()
    ended(start(tune(space, out, "--resume")))
    assert results(out) == found and _stamps(out) == after
    assert not leftovers(out)


@pytest.mark.ray
@pytest.mark.slow
def test_driver_killed_again_and_again(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    space, found = undisturbed
    out, when = tmp_path / "out", moments("again and again")
    known: dict[Path, int] = {}
    _kill_driver(tune(space, out), out, when.uniform(0, 1))
    for _ in range(3):
        now = _kill_driver(tune(space, out, "--resume"), out, when.uniform(3, 8))
        assert known.items() <= now.items()
        known = now
    ended(start(tune(space, out, "--resume")))
    assert results(out) == found and not leftovers(out)


@pytest.mark.ray
@pytest.mark.slow
def test_killed_actor_is_replaced(undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """With and without notice, and nobody has to resume."""
    space, found = undisturbed
    out, when = tmp_path / "out", moments("actor")
    process = start(tune(space, out))
    family = Family(process.pid)
    for number in (signal.SIGKILL, signal.SIGTERM):
        pids = wait(lambda: family.named(ACTOR), process)
        time.sleep(when.uniform(0, 2))
        os.kill(pids[0], number)
        wait(lambda pids=pids: pids[0] not in family.look(), process)  # type: ignore[misc]
    said = ended(process)
    assert "lost process" in said
    lost = json.loads((out / "manifest.json").read_text())["faults"]
    assert [each["what"] for each in lost] == ["lost process"] * 2
    assert results(out) == found and not family.survivors()


@pytest.mark.ray
@pytest.mark.slow
def test_killed_idle_actor_is_replaced(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Tune drops the trial that would have taken it over; one loss is told once."""
    space, found = undisturbed
    out = tmp_path / "out"
    said = ended(start([sys.executable, "-c", IDLE, *tune(space, out)[3:]]))
    assert said.count("lost process: its process") == 1 and "begins again" in said
    lost = json.loads((out / "manifest.json").read_text())["faults"]
    assert lost == [{"what": "lost process", "resumed": 0, "restarted": 1}]
    assert results(out) == found


@pytest.mark.ray
@pytest.mark.slow
def test_killed_raylet_ends_the_sweep_and_it_goes_on(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    space, found = undisturbed
    out = tmp_path / "out"
    process = start(tune(space, out))
    family = Family(process.pid)
    wait(lambda: list(out.glob("trials/*/checkpoints/epoch-*")), process)
    time.sleep(moments("raylet").uniform(0, 2))
    kill(family.named("raylet/raylet ")[0])
    _, said = process.communicate(timeout=120)
    assert process.returncode not in (0, None), said
    assert not family.survivors(agents=False)
    ended(start(tune(space, out, "--resume")))
    assert results(out) == found


@pytest.mark.ray
@pytest.mark.slow
def test_killed_train_worker_is_replaced(tmp_path: Path) -> None:
    """A sharded run loses a worker, and ends like one that didn't."""
    space = space_in(tmp_path)

    def command(out: str) -> list[str]:
        return [
            sys.executable, "-m", "dvr_ray", "train", str(space), "--workers", "2",
            "--out", str(tmp_path / out),
        ]  # fmt: skip

    ended(start(command("whole")))
    process = start(command("hurt"))
    family = Family(process.pid)
    when = moments("train worker")
    wait(lambda: list((tmp_path / "hurt").glob("checkpoints/epoch-*")), process)
    time.sleep(when.uniform(0, 1))
    kill(when.choice(family.named(WORKER)))
    ended(process)
    assert not family.survivors()
    one, other = (
        json.loads((tmp_path / out / "result.json").read_text()) for out in ("whole", "hurt")
    )
    assert one["selection"] == other["selection"] and one["best_epoch"] == other["best_epoch"]
    values = [pd.read_parquet(tmp_path / out / "values.parquet") for out in ("whole", "hurt")]
    pd.testing.assert_frame_equal(values[0], values[1])


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT] * 2, [signal.SIGTERM]])
def test_interrupted_sweep_leaves_nothing(
    signals: list[signal.Signals], undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Ctrl-C once, or twice in a row, SIGTERM: one line, nothing running, and it goes on."""
    space, found = undisturbed
    out = tmp_path / "out"
    process = start(tune(space, out))
    family = Family(process.pid)
    wait(lambda: family.named(ACTOR) and list(out.glob("trials/*/checkpoints/*")), process)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    said = ended(process, 128 + signals[0])
    assert said.count("; the same command with --resume goes on from here") == 1
    assert not family.survivors() and not leftovers(out)
    if len(signals) == 1:
        ended(start(tune(space, out, "--resume")))
        assert results(out) == found


@pytest.mark.ray
@pytest.mark.slow
def test_more_trials_are_those_of_a_larger_sweep(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    space, found = undisturbed
    out = tmp_path / "out"
    ended(start(tune(space, out, "--trials", "2")))
    before = _stamps(out)
    assert len(before) == 2
    ended(start(tune(space, out, "--resume")))
    assert results(out) == found and before.items() <= _stamps(out).items()
