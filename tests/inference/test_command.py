"""``dvr-ray values`` and ``dvr-ray prune`` as a user calls them; what is wrong in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from docs_pages import compare, flat
from event_lines import read_events
from refusals import called, refused
from typer.testing import CliRunner
from valued_logs import new_rows, write

from dvr_ray.cli.main import app
from dvr_ray.files import visible


@pytest.fixture
def root(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the run, a log, and values of the log."""
    shutil.copytree(trained, tmp_path / "run")
    write(new_rows(), tmp_path / "log.csv")
    monkeypatch.chdir(tmp_path)
    assert called("values", "run", "--data", "log.csv", "--out", "values")[0] == 0
    return tmp_path


def test_what_is_written_is_documented(root: Path) -> None:
    compare("Folder of values", [f.replace("00000", "NNNNN") for f in visible(root / "values")])
    manifest = json.loads((root / "values" / "values.json").read_text())
    whole = {"data": None, "dropped": None}
    compare("values.json", flat(manifest | whole))
    columns = pd.read_parquet(root / "values" / "part-00000.parquet").columns
    compare("part-NNNNN.parquet", columns)


def test_events_and_results(root: Path) -> None:
    shown = CliRunner().invoke(app, ["values", "run", "--out", "own", "--passes", "2", "--json"])
    events = read_events(shown.stdout)
    told = [event["stage"] for event in events if event["event"] == "staged"]
    assert list(dict.fromkeys(told)) == ["rows read", "values", "ranks"]
    rows = len(pd.read_parquet("run/values.parquet"))
    assert events[-1]["rows"] == rows and events[-1]["folder"] == "own"
    shown = CliRunner().invoke(
        app, ["prune", "own", "--drop-lowest", ".5", "--out", "half.tsv", "--json"]
    )
    (done,) = read_events(shown.stdout)
    assert done["kept"] == len(pd.read_csv("half.tsv", sep="\t"))
    assert abs(done["kept"] - rows / 2) < rows / 50
    # Complete values are shown again, not made again.
    before = (root / "own" / "part-00000.parquet").stat().st_mtime_ns
    assert called("values", "run", "--out", "own", "--passes", "2", "--resume")[0] == 0
    assert (root / "own" / "part-00000.parquet").stat().st_mtime_ns == before


VALUES = ["values", "run", "--out", "new", "--data"]
PRUNE = ["prune", "values", "--out", "new.csv"]
WRONG: dict[str, tuple[list[str], list[str]]] = {
    "no run": (["values", "rum", "--out", "new"], ["rum", "no such folder"]),
    "no log": ([*VALUES, "lag.csv"], ["lag.csv", "no such"]),
    "no rows of its own": ([*VALUES, "strange.csv"], ["strange.csv", "column of users"]),
    "unknown": ([*VALUES, "unknown.csv"], ["'999'", "--skip-unknown"]),
    "half-written": ([*VALUES, "cut.parquet"], ["cut.parquet", "whole Parquet"]),
    "option for nothing": (["values", "run", "--out", "new", "--skip-unknown"], ["--data"]),
    "there already": (["values", "run", "--out", "values"], ["another run or log"]),
    "resumed by accident": (
        ["values", "run", "--data", "log.csv", "--out", "values"], ["--resume"],
    ),
    "too many workers": ([*VALUES, "log.csv", "--workers", "900"], ["900"]),
    "no rule": (PRUNE, ["got 0", "--drop-lowest 10%"]),
    "two rules": ([*PRUNE, "--weights", "--keep-rate", ".5"], ["got 2"]),
    "share": ([*PRUNE, "--drop-lowest", "110%"], ["'110%'"]),
    "rate": ([*PRUNE, "--keep-rate", "1.5"], ["--keep-rate", "1.5"]),
    "another log": (
        [*PRUNE, "--drop-lowest", "10%", "--data", "unknown.csv"], ["isn't the log", "unknown.csv"],
    ),
    "no values": (["prune", "run", "--weights", "--out", "n.csv"], ["run", "values.json"]),
    "another format": (["prune", "values", "--weights", "--out", "n.tsv"], [".csv", "n.csv"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("wrong")
    shutil.copytree(trained, root / "run")
    write(new_rows(), root / "log.csv")
    write(new_rows().assign(user=999), root / "other.csv")
    rows = pd.concat([new_rows(), new_rows(1, 3).assign(user=999)])
    write(rows, root / "unknown.csv")
    write(new_rows().rename(columns={"user": "who"}), root / "strange.csv")
    whole = write(new_rows(), root / "cut.parquet").read_bytes()
    (root / "cut.parquet").write_bytes(whole[:-30])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert called("values", "run", "--data", "log.csv", "--out", "values")[0] == 0
    return root


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests_change_nothing(
    case: str, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepared)
    arguments, wanted = WRONG[case]
    refused(prepared, wanted, *arguments)


def test_values_need_a_valuator(root: Path) -> None:
    (root / "run" / "valuator.safetensors").unlink()
    refused(root, ["valuator.safetensors", "method.name=dvr"], "values", "run", "--out", "new")
    (root / "run" / "items.parquet").unlink()
    refused(root, ["older version"], "values", "run", "--out", "new")
