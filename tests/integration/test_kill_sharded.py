"""kill -9 and Ctrl-C in a sharded sweep, whose trials share one group of workers.

What was found is what an undisturbed sweep finds, exactly; as in `test_kill`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from kills import SPACE, TRIALS, Family, ended, kill, leftovers, moments, results, start, tune, wait
from kills import write_space as space_in

from dvr_ray.training.stored import read_rows

ACTOR, WORKER = "ray::ImplicitFunc", "ray::RayTrainWorker"

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A space, and what a sweep over it finds; all its trials on the same two processes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    space = space_in(folder)
    process = start(_command(space, folder / "out"))
    family = Family(process.pid)
    workers: set[int] = set()
    while process.poll() is None:
        workers |= set(family.named(WORKER))
        time.sleep(0.2)
    ended(process)
    assert len(workers) == 2 and not family.survivors()
    found = results(folder / "out")
    assert len(found) == 2 + TRIALS
    return space, found


def _command(space: Path, out: Path, *more: str) -> list[str]:
    return tune(space, out, "--workers", "2", *more)


def _begun(process: subprocess.Popen[str], out: Path, trials: int) -> None:
    """Wait until so many trials have a checkpoint."""
    wait(
        lambda: len({p.parent for p in out.glob("trials/*/checkpoints/epoch-*")}) >= trials, process
    )


@pytest.mark.parametrize("name", [WORKER, ACTOR])
def test_killed_process_is_replaced(
    name: str, undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """A worker, or the process of a trial: the open trial goes on, and the others follow."""
    space, found = undisturbed
    out, when = tmp_path / "out", moments(name)
    process = start(_command(space, out))
    family = Family(process.pid)
    _begun(process, out, 2)
    time.sleep(when.uniform(0, 2))
    kill(when.choice(family.named(name)))
    ended(process)
    assert results(out) == found and not family.survivors()


def test_killed_driver(undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    space, found = undisturbed
    out = tmp_path / "out"
    process = start(_command(space, out))
    family = Family(process.pid)
    _begun(process, out, 2)
    family.look()
    time.sleep(moments("sharded driver").uniform(0, 4))
    kill(process.pid)
    process.communicate()
    assert not family.survivors(agents=False)
    ended(start(_command(space, out, "--resume")))
    assert results(out) == found and not leftovers(out)


def test_interrupted_sweep_leaves_nothing(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    space, found = undisturbed
    out = tmp_path / "out"
    process = start(_command(space, out))
    family = Family(process.pid)
    _begun(process, out, 2)
    family.look()
    process.send_signal(signal.SIGINT)
    said = ended(process, 130)
    assert said.count("interrupted; the same command with --resume goes on from here") == 1
    assert not family.survivors() and not leftovers(out)
    ended(start(_command(space, out, "--resume")))
    assert results(out) == found


def test_masks_go_on_after_a_killed_worker(tmp_path: Path) -> None:
    """A run whose masks two workers share, one of them killed, is what one worker trains."""
    config = {**SPACE["run"], "training": {**SPACE["run"]["training"], "epochs": 200}}
    config["training"]["patience"] = 200
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    train = [sys.executable, "-m", "dvr_ray", "train", str(tmp_path / "run.yaml"), "--out"]
    alone, out = tmp_path / "alone", tmp_path / "out"
    ended(start([*train, str(alone)]))
    process = start([*train, str(out), "--workers", "2", "--parallel", "masks"])
    family = Family(process.pid)
    wait(lambda: [*out.glob("checkpoints/epoch-*")], process)
    kill(moments("masks").choice(family.named(WORKER)))
    assert not (out / "result.json").exists()
    said = ended(process)
    assert "workers that share masks" in said and not family.survivors()
    rows = [[_numbers(row) for row in read_rows(folder)] for folder in (out, alone)]
    assert len(rows[0]) > 20
    assert np.allclose(rows[0], rows[1], rtol=1e-9, atol=1e-9)


def _numbers(row: dict[str, Any]) -> list[float]:
    reward = row.get("reward", {"ndcg@20": 0.0})
    return [row["epoch"], row["loss"], *row["selection"].values(), *reward.values()]
