"""Start-up per trial: eight one-worker trials, one at a time, of a run that takes a moment.

    python benchmarks/startup.py

Start-up is the time of the search that no trial spent in its run, per trial (goal 0.5 s). The first
trial pays for starting the actor and importing torch; its share is in the mean.
"""

from __future__ import annotations

import json
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
    ended: list[float] = []

    def on_event(number: int, status: str, metrics: dict[str, object]) -> None:
        if status == "done":
            ended.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sweep"
        result = sweep(SweepRequest(space, out, False, None, lambda line: None, on_event))
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    spent = manifest["budget"]["seconds_spent"]
    trained = sum(record.seconds for record in result.records)
    later = (ended[-1] - ended[0] - trained * 7 / 8) / 7
    print(
        f"{len(result.records)} trials: search {spent:.1f} s, training {trained:.1f} s, start-up "
        f"{(spent - trained) / 8:.2f} s a trial; {later:.2f} s after the first"
    )


if __name__ == "__main__":
    main()
