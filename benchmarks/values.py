"""Rate and memory of `dvr-ray values` over a large generated log.

    python benchmarks/values.py --rows 25000000

Makes a log of MovieLens-25M's kind (lists and popularity as there, in random order, as Parquet) and
a run of the same catalogue with a drawn backbone and valuator: how good values are doesn't matter
for how long they take. The same command then values the log without Ray, in one process, and with
a pool of workers, one after the other on the same machine: both read, compute features, value and
write the same blocks, and must write the same bytes. Memory is the proportional set size (PSS) of
the command and all its descendants, Ray's own processes and its object store included, read twice
a second from ``/proc``; pages that processes share count once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.features import generate, read
from dvr_ray.collective import OneProcess
from dvr_ray.config.load import apply, dump
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.catalogue import Ids, KnownCatalogue
from dvr_ray.data.features import FEATURES
from dvr_ray.data.interactions import Interactions
from dvr_ray.seeding import generator
from dvr_ray.state import prefixed
from dvr_ray.training.build import BACKBONES, component_params
from dvr_ray.training.checkpoint import write_json, write_tensors
from dvr_ray.weightings.valuing import ValuingNet

BETWEEN = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--skip-baseline", action="store_true", help="only the pool")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, options.rows)
        wanted = [options.workers] if options.skip_baseline else [1, options.workers]
        found = [valued(folder, workers) for workers in wanted]
        print("| workers | seconds | rows a second | peak PSS | read | features | values | ranks |")
        print("|---|---|---|---|---|---|---|---|")
        for workers, each in zip(wanted, found, strict=True):
            print(f"| {'one process, no Ray' if workers == 1 else workers} | " + row(each))
        if len(found) == 2:
            print(f"rate of {options.workers} workers over one process without Ray: "
                  f"{found[0]['seconds'] / found[1]['seconds']:.2f}")  # fmt: skip
            same = [part.name for part in sorted((folder / "values-1").glob("*.parquet"))]
            wrong = [n for n in same if not _equal(folder, n, options.workers)]
            print("same values:", "yes" if not wrong else f"no, {wrong[0]} differs")


def _equal(folder: Path, name: str, workers: int) -> bool:
    left, right = (parquet.read_table(folder / f"values-{k}" / name) for k in (1, workers))
    return bool(left.equals(right))


def row(found: dict) -> str:  # type: ignore[type-arg]
    stages = found["stages"]
    features = sum(stages.get(n, 0) for n in ("whole log", "features"))
    cells = [f"{found['seconds']:.0f}", f"{found['rows'] / found['seconds']:,.0f}",
             f"{found['peak']:.2f} GiB", f"{stages.get('rows read', 0):.0f} s", f"{features:.0f} s",
             f"{stages.get('values', 0):.0f} s", f"{stages.get('ranks', 0):.0f} s"]  # fmt: skip
    return " | ".join(cells) + " |"


def make(folder: Path, rows: int) -> None:
    """Write the log in random order, and a run whose weights were drawn."""
    generate(folder / "log.npz", rows)
    log = read(folder / "log.npz")
    (folder / "log.npz").unlink()
    order = np.random.default_rng(0).permutation(len(log))
    parquet.write_table(
        pa.table({"user": log.users[order], "item": log.items[order]}), folder / "log.parquet",
        row_group_size=1 << 20,
    )  # fmt: skip
    run = folder / "run"
    run.mkdir()
    config = apply(RunConfig(), {"data.source": "table", "data.path": str(folder / "log.parquet")})
    dump(config, run / "config.yaml")
    tables = pd.DataFrame(index=range(log.num_users)), pd.DataFrame(index=range(log.num_items))
    ids = Ids("user", np.arange(log.num_users)), Ids("item", np.arange(log.num_items))
    KnownCatalogue(*ids, *tables).write(run)
    few = np.arange(0, len(log), max(len(log) // 100_000, 1))
    trained = pd.DataFrame({"user": log.users[few], "item": log.items[few], "mean_loss": 0.5})
    trained.assign(value=0.0, probability=0.5).to_parquet(run / "values.parquet", index=False)
    nobody = Interactions(log.users[:0], log.items[:0], log.num_users, log.num_items)
    params = component_params(BACKBONES, config.backbone, "run: backbone")
    backbone = BACKBONES.get(config.backbone.name).build(params, nobody, generator(0, "weights"))
    write_tensors(run / "model.safetensors", backbone.state_dict())
    columns = sum(len(FEATURES.get(name).columns) for name in config.encoder.features)
    net = ValuingNet(config, columns, OneProcess(), torch.device("cpu"))
    net.calibrate(torch.randn(4096, columns, generator=generator(0, "inputs")), 0.5)
    scale = {"sd": torch.tensor(0.05, dtype=torch.float64)}
    write_tensors(
        run / "valuator.safetensors", prefixed("means", net.means()) | prefixed("policy", scale)
    )
    write_json(run / "result.json", {"best_epoch": 1, "selection": {}})


def valued(folder: Path, workers: int) -> dict:  # type: ignore[type-arg]
    """Run the command and watch it: seconds, peak memory, and seconds by stage."""
    command = [
        sys.executable, "-m", "dvr_ray", "values", str(folder / "run"), "--data",
        str(folder / "log.parquet"), "--out", str(folder / f"values-{workers}"), "--workers",
        str(workers), "--json",
    ]  # fmt: skip
    began = time.monotonic()
    with (folder / "events").open("w") as events, (folder / "errors").open("w") as errors:
        process = subprocess.Popen(command, stdout=events, stderr=errors)
        peak = 0
        while process.poll() is None:
            peak = max(peak, pss(process.pid))
            time.sleep(BETWEEN)
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit((folder / "errors").read_text()[-2000:])
    lines = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    return {"seconds": seconds, "rows": lines[-1]["rows"], "peak": peak / 2**20,
            "stages": stages(lines)}  # fmt: skip


def stages(lines: list[dict]) -> dict[str, float]:  # type: ignore[type-arg]
    """Seconds from a stage's first event to the next stage's."""
    told = [line for line in lines if line["event"] in ("staged", "finished")]
    when = [pd.Timestamp(line["time"]).timestamp() for line in told]
    found: dict[str, float] = {}
    for line, start, stop in zip(told, when, when[1:], strict=False):
        found[line["stage"]] = found.get(line["stage"], 0) + stop - start
    return found


def pss(pid: int) -> int:
    """Proportional set size of a process and its descendants, KiB."""
    waiting, total = [pid], 0
    while waiting:
        one = waiting.pop()
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(text.split("Pss:")[1].split()[0])
            for thread in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (OSError, IndexError, ValueError):
            continue
    return total


if __name__ == "__main__":
    main()
