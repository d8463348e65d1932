"""Every key that a run or a sweep writes is documented, and every documented key is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from docs_pages import OUTPUTS, compare, documented, flat
from small_run import SMALL

from dvr_ray.config.load import apply, load_space
from dvr_ray.config.schema import RunConfig
from dvr_ray.files import visible
from dvr_ray.training.checkpoint import Progress
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import read_rows
from dvr_ray.training.watch import Watch
from dvr_ray.tuning.manifest import Manifest
from dvr_ray.tuning.records import TrialRecord, write_trials

# Written only by a whole sweep, or only after something went wrong.
SWEEP_ONLY = {"order", "counts.STATUS", "faults"}
# Written only with a valuator that is learned before.
PRETRAINED_ONLY = {"run", "valuator", "seconds", "best_epoch"}
# Written only with directional masks and scalar credit.
DIRECTIONAL_ONLY = {"monitors.directional_r2"}
# Written only by several workers; tests/training/test_exchange.py sees it written.
SEVERAL_ONLY = {"sent_mb"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that raises a warning: its worth can't fit with so large a step."""
    folder = tmp_path_factory.mktemp("outputs") / "run"
    changes = {"valuator.lr": 1.0, "valuator.weight_decay": 0.0, "negatives": {"name": "learned"},
               "policy.alternatives": [0.5]}  # fmt: skip
    config = apply(RunConfig(), SMALL | changes)
    data, _ = prepare(config)
    run(RunRequest(config, data, folder), Silent())
    return folder


def test_keys_of_metrics_are_documented(folder: Path) -> None:
    rows = read_rows(folder)
    assert any("warnings" in row for row in rows)
    keys = (key for row in rows for key in flat(row))
    compare("metrics.jsonl", keys, DIRECTIONAL_ONLY | SEVERAL_ONLY)


def test_keys_of_a_result_are_documented(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    # Names of scores hold dots.
    scores = {f"auc.{name}" for name in result.pop("auc")}
    unwritten = SEVERAL_ONLY | {f"pretrained.{key}" for key in PRETRAINED_ONLY}
    compare("result.json", {*flat(result), *scores}, unwritten)


def test_columns_of_values_are_documented(folder: Path) -> None:
    compare("values.parquet", pd.read_parquet(folder / "values.parquet").columns, {"time"})


def test_files_of_a_run_are_documented(folder: Path) -> None:
    # The command line writes the log.
    compare("Folder of a run", [*visible(folder), "log.txt"], {"pretraining"})


def test_records_of_a_sweep_are_documented(folder: Path, repository: Path, tmp_path: Path) -> None:
    space = load_space(repository / "search_spaces" / "quickstart.yaml")
    objectives = space.tune.objectives
    record = TrialRecord.read(0, folder, space.plain_point(), objectives)
    write_trials([record], space, tmp_path / "trials.csv")
    compare("trials.csv", pd.read_csv(tmp_path / "trials.csv").columns)
    manifest = Manifest.begin(tmp_path, space, "0123456789abcdef")
    compare("manifest.json", flat(manifest.content), SWEEP_ONLY)


def test_every_warning_is_documented() -> None:
    """A row that breaks every limit, after reports whose loss and metric both fall."""
    worst = {
        "keep_rate": 0.0, "coverage": [0.5, 1.0], "dead": [1.0], "policy_spread": 0.0,
        "entropy": 0.0, "advantage_variance": 0.0, "worth_error": 1.0, "worth_error_trivial": 0.0,
    }  # fmt: skip
    watch, raised = Watch(Progress()), []
    for step in range(6):
        row = {"monitors": worst, "loss": 1 - step / 10, "selection": {"ndcg@20": 1 - step / 10}}
        raised += [line.partition(":")[0] for line in watch.check(row)]
    assert sorted(raised) == sorted(documented(OUTPUTS, "Warnings"))


@pytest.mark.slow
@pytest.mark.ray
def test_files_and_keys_of_a_real_sweep_are_documented(repository: Path, tmp_path: Path) -> None:
    space, out = repository / "search_spaces" / "quickstart.yaml", tmp_path / "sweep"
    fields = [
        "data.users=60", "data.items=50", "training.epochs=4", "training.warmup=1",
        "adapter.masks=2", "valuator.units=4", "tune.minutes=10", "tune.final_seeds=1",
    ]  # fmt: skip
    command = [sys.executable, "-m", "dvr_ray", "tune", str(space), "--out", str(out), "-n", "2"]
    command += [word for field in fields for word in ("--set", field)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=230)
    assert done.returncode == 0, done.stderr
    shown = (path.name for path in out.iterdir() if not path.name.startswith("."))
    compare("Folder of a sweep", shown)
    # Nothing was lost.
    for name, missing in (("manifest.json", ("faults",)), ("final.json", ())):
        compare(name, flat(json.loads((out / name).read_text())), missing)
    compare("trials.csv", pd.read_csv(out / "trials.csv").columns)


def test_an_undocumented_key_is_found() -> None:
    known = documented(OUTPUTS, "result.json")
    with pytest.raises(AssertionError, match="describe these keys"):
        compare("result.json", [*known, "surprise"])
    with pytest.raises(AssertionError, match="not written"):
        compare("result.json", ["status"])
