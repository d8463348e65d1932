"""Ctrl-C ends with code 130 and says how to go on; the same command with --resume does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from event_lines import read_events


def test_interrupted_training_goes_on(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    space = repository / "search_spaces" / "quickstart.yaml"
    command = [sys.executable, "-m", "dvr_ray", "train", str(space), "--out", str(out)]
    command += ["--set", "data.users=60", "--set", "data.items=50", "--set", "training.epochs=100"]
    command += ["--set", "training.patience=100", "--set", "adapter.masks=2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("checkpoints/epoch-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command with --resume goes on" in shown
    assert "Traceback" not in shown and not (out / "result.json").exists()

    done = subprocess.run(
        [*command, "--resume", "--json"], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "result.json").read_text())
    finished = read_events(done.stdout)[-1]
    assert {name: finished[name] for name in result} == result
    log = (out / "log.txt").read_text()
    assert log.index("interrupted") < log.rindex("epoch  100")
