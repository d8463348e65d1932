"""Start-up per trial: eight trials, one at a time, of a run that takes a moment.

    python benchmarks/startup.py
    python benchmarks/startup.py --workers 2

Start-up is the time from the end of one trial to the end of the next that this one spent neither
training nor evaluating; for the first, from when Tune starts it. Goals: 0.5 s a trial with one
worker each; 2 s for every sharded one after the first. The first trial pays for processes and for
importing torch. Memory is the largest sum of the proportional set sizes of this process and all
that it started, Ray and its object store included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.config.load import load_space  # noqa: E402
from dvr_ray.events import Event, TrialEnded, TrialStarted  # noqa: E402
from dvr_ray.tuning.sweep import SweepRequest, sweep  # noqa: E402

TRIALS = 8
SMALL = [
    "data.users=60", "data.items=50", "method.name=bpr", "training.epochs=2",
    f"tune.trials={TRIALS}", "tune.concurrent=1", "tune.final_seeds=0", "tune.scheduler=none",
    "tune.minutes=10",
]  # fmt: skip


class Memory(threading.Thread):
    """Looks every second at how much memory this process and its descendants have."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        """Look."""
        while True:
            self.peak = max(self.peak, sum(map(_share, _family())) / 2**20)
            time.sleep(1)


def _family() -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    found, size = {os.getpid()}, 0
    while len(found) > size:
        size = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return list(found)


def _share(pid: int) -> int:
    """Proportional set size in KiB; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def main() -> None:
    """Run the sweep and print start-up and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1)
    workers = parser.parse_args().workers
    changes = [*SMALL, f"resources.workers={workers}"]
    space = load_space(REPOSITORY / "search_spaces" / "quickstart.yaml", changes)
    times: list[float] = []

    def tell(event: Event) -> None:
        if isinstance(event, TrialEnded) or (isinstance(event, TrialStarted) and not times):
            times.append(time.perf_counter())

    memory = Memory()
    memory.start()
    with tempfile.TemporaryDirectory() as folder:
        result = sweep(SweepRequest(space, Path(folder) / "sweep", False, None, tell))
    trained = [record.seconds for record in result.records]
    starts = [
        end - start - spent for (start, end), spent in zip(pairwise(times), trained, strict=True)
    ]
    print(
        f"start-up of {len(starts)} trials of {workers} worker(s), one at a time: mean "
        f"{statistics.mean(starts):.2f} s; the first {starts[0]:.1f} s, the others "
        f"{statistics.mean(starts[1:]):.2f} s ({min(starts[1:]):.2f} to {max(starts[1:]):.2f}); "
        f"peak memory {memory.peak:.2f} GiB"
    )


if __name__ == "__main__":
    main()
