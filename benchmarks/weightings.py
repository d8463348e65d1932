"""An epoch of every weighting on Gowalla relative to plain BPR in the same run.

    python benchmarks/weightings.py --data ../shared/data/gowalla

CPU seconds of one thread, so that other work on the machine counts little; drawing of negatives
included, measuring of metrics not. til-mi clusters its items anew in the epoch that is timed last;
dvr is timed by `benchmarks/epoch.py`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from dvr_ray.collective import OneProcess  # noqa: E402
from dvr_ray.config.load import apply  # noqa: E402
from dvr_ray.config.schema import RunConfig  # noqa: E402
from dvr_ray.training.loop import Trainer  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402

METHODS: dict[str, dict[str, Any]] = {
    "bpr": {"name": "bpr"},
    "tce": {"name": "tce", "gradual": 1},
    "rce": {"name": "rce"},
    "til-ui": {"name": "til-ui"},
    "til-ui, outer reward": {"name": "til-ui", "outer": "reward"},
    "til-mi": {"name": "til-mi", "warmup": 0, "every": 2},
}
EPOCHS = 3


def epochs(config: RunConfig, data: Any) -> list[float]:
    """CPU seconds of each of the first epochs."""
    trainer = Trainer(config, data, OneProcess(), torch.device("cpu"))
    taken = []
    for _ in range(EPOCHS):
        started = time.process_time()
        trainer._plain_epoch("train")
        taken.append(time.process_time() - started)
    return taken


def main() -> None:
    """Read Gowalla and time the methods in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--batch", type=int, default=4096)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = apply(RunConfig(), {
        "data.source": "lightgcn", "data.path": str(Path(asked.data).resolve()),
        "backbone": {"name": "bprmf", "dim": 64}, "encoder.features": ["counts"],
        "training.batch_size": asked.batch, "training.lr": 2e-3, "training.l2": 1e-2,
    })  # fmt: skip
    data, _ = prepare(config)
    plain = 0.0
    for name, method in METHODS.items():
        _, second, third = epochs(apply(config, {"method": method}), data)
        plain = plain or min(second, third)
        print(
            f"{name}: {second:.1f} and {third:.1f} s, {min(second, third) / plain:.2f} x bpr",
            flush=True,
        )


if __name__ == "__main__":
    main()
