"""Start-up per trial: eight one-worker trials, one at a time, of a run that takes a moment.

    python benchmarks/startup.py

Start-up is the time from the start of the first trial to the end of the last that no trial spent
training, per trial (goal 0.5 s). The first trial pays for its process and for importing torch.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.config.load import load_space  # noqa: E402
from dvr_ray.tuning.sweep import SweepRequest, sweep  # noqa: E402

SMALL = [
    "data.users=60", "data.items=50", "method.name=bpr", "training.epochs=2", "tune.trials=8",
    "tune.concurrent=1", "tune.final_seeds=0", "tune.scheduler=none", "tune.minutes=10",
]  # fmt: skip


def main() -> None:
    """Run the sweep and print the mean."""
    space = load_space(REPOSITORY / "search_spaces" / "quickstart.yaml", SMALL)
    times: list[float] = []
    ended: list[float] = []

    def on_event(number: int, status: str, metrics: dict[str, object]) -> None:
        times.append(time.perf_counter())
        if status == "done":
            ended.append(times[-1])

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sweep"
        result = sweep(SweepRequest(space, out, False, None, lambda line: None, on_event))
    trained = sum(record.seconds for record in result.records)
    first, later = ended[0] - times[0], (ended[-1] - ended[0] - trained * 7 / 8) / 7
    mean = (ended[-1] - times[0] - trained) / 8
    print(
        f"start-up {mean:.2f} s a trial over 8: the first {first:.1f} s, the others {later:.2f} s"
    )


if __name__ == "__main__":
    main()
