"""Time and memory of importing a large CSV, as a ratio to a bare read of it by pyarrow.

    python -m benchmarks.importing --rows 25000000

Makes a file of user, item, rating and timestamp of MovieLens-25M's kind (162,541 users, 59,047
items, rows in random order, which is the hard case) in a temporary folder. Then a bare
``pyarrow.csv.read_csv`` and our import take turns, each in a process of its own: the file in the
page cache, our cache of parsed data off, imports of packages not counted. Prints seconds, those of
all processors, ratios, and the peak memory of the importing process, which starts no other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

USERS, ITEMS, PIECE = 162_541, 59_047, 1_000_000
FIRST, LAST = 789_652_009, 1_574_327_703
BARE = """
import time
from pyarrow import csv
start, began = time.perf_counter(), time.process_time()
rows = csv.read_csv(path).num_rows
"""
OURS = """
import time
from dvr_ray.config.schema import DataConfig
from dvr_ray.data.cache import load_dataset
load = DataConfig(source="table", path=path, cache=False)
from dvr_ray.data.sources import SOURCES
SOURCES.names()
start, began = time.perf_counter(), time.process_time()
rows = len(load_dataset(load).interactions)
"""
MEASURE = """
import json, resource
seconds = time.perf_counter() - start
processor = time.process_time() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "processor": processor, "peak": peak, "rows": rows}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_500_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        write(path, options.rows)
        print(f"{options.rows} rows, {path.stat().st_size / 2**20:.0f} MiB")
        turns = [(measured(BARE, path), measured(OURS, path)) for _ in range(options.turns)]
    for kind, results in zip(("bare read", "import"), zip(*turns, strict=True), strict=True):
        seconds = ", ".join(f"{each['seconds']:.2f}" for each in results)
        peak = max(each["peak"] for each in results)
        busy = ", ".join(f"{each['processor']:.1f}" for each in results)
        print(f"{kind:10} seconds {seconds} (of processors {busy}); peak {peak:.2f} GiB")
    bare, ours = (
        statistics.median(each["seconds"] for each in results)
        for results in zip(*turns, strict=True)
    )
    turn = ", ".join(f"{own['seconds'] / other['seconds']:.2f}" for other, own in turns)
    print(f"import / bare read: {ours / bare:.2f} (medians {ours:.2f} s, {bare:.2f} s)")
    print(f"by turn: {turn}")


def write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(b"user,item,rating,timestamp\n")
        for start in range(0, rows, PIECE):
            size = min(PIECE, rows - start)
            table = pa.table(
                {
                    "user": rng.integers(1, USERS + 1, size),
                    "item": 1 + (ITEMS * rng.random(size) ** 2).astype(np.int64),
                    "rating": rng.integers(1, 11, size) / 2,
                    "timestamp": rng.integers(FIRST, LAST, size),
                }
            )
            csv.write_csv(table, file, csv.WriteOptions(include_header=False))


def measured(code: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-c", f"path = {str(path)!r}\n{code}\n{MEASURE}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
