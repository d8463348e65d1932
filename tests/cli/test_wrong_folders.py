"""Damaged, foreign and unwritable folders: one line each, and what lay there stays as it was."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import called, files, refused
from safetensors import SafetensorError
from safetensors.torch import save_file
from sweeps import make_sweep, make_unfinished

from dvr_ray.distributed.capacity import Cluster, Node
from dvr_ray.tuning import sweep

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    space, _ = make_sweep(folder)
    make_unfinished(space, folder / "run")
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of both; whoever starts Ray fails."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(sweep, "connect")
    return tmp_path


def _cut(name: str) -> Damage:
    """Truncate a file in its middle."""

    def cut(folder: Path) -> None:
        for path in folder.glob(name):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


def _write(name: str, text: str | bytes) -> Damage:
    def write(folder: Path) -> None:
        for path in folder.glob(name):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def _edit(name: str, **values: Any) -> Damage:
    def edit(folder: Path) -> None:
        for path in folder.glob(name):
            path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return edit


def _without(name: str, key: str) -> Damage:
    def drop(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        del content[key]
        (folder / name).write_text(json.dumps(content))

    return drop


STATE = "checkpoints/epoch-*/state.json"
TENSORS = "checkpoints/epoch-*/state.safetensors"

RUNS: dict[str, tuple[Damage, list[str]]] = {
    "config cut": (_write("config.yaml", "run: ["), ["config.yaml:1", "YAML"]),
    "config of another run": (_write("config.yaml", "seed: 3\n"), ["run", "another run", "--out"]),
    "config lost": (lambda f: (f / "config.yaml").unlink(), ["run", "holds no run", "checkpoints"]),
    "checkpoint of another version": (_edit(STATE, format=99), ["epoch-000003", "format 3", "99"]),
    "checkpoint of other data": (
        _edit(STATE, identity={"config": "x", "data": "y"}), ["epoch-000003", "another", "x"]
    ),
    "all checkpoints cut": (_cut(TENSORS), ["epoch-000003", "damaged", "delete"]),
    "all states cut": (_cut(STATE), ["epoch-000003", "damaged", "delete"]),
    "states are lists": (_write(STATE, "[]"), ["epoch-000003", "damaged"]),
    "unknown progress": (_edit(STATE, progress={"mood": 3}), ["epoch-000003", "damaged", "mood"]),
    "tensors of another model": (
        lambda f: [save_file({}, path) for path in f.glob(TENSORS)], ["checkpoints", "doesn't fit"]
    ),
    "result cut": (_write("../run/result.json", "{"), ["run", "already"]),
}  # fmt: skip

SWEEPS: dict[str, tuple[Damage, list[str]]] = {
    "manifest cut": (_cut("manifest.json"), ["manifest.json", "can't be read"]),
    "manifest is a list": (_write("manifest.json", "[]"), ["manifest.json", "can't be read"]),
    "manifest not UTF-8": (_write("manifest.json", b"\xff"), ["manifest.json", "can't be read"]),
    "manifest without seeds": (_without("manifest.json", "seeds"), ["manifest.json", "seeds"]),
    "manifest without budget": (_without("manifest.json", "budget"), ["manifest.json", "budget"]),
    "manifest lost": (lambda f: (f / "manifest.json").unlink(), ["holds no sweep", "best.yaml"]),
    "another space": (_edit("manifest.json", space_hash="0123"), ["another sweep", "0123"]),
    "other data": (_edit("manifest.json", data_fingerprint="77"), ["manifest.json", "77", "data"]),
    "result cut": (_cut("trials/*/result.json"), ["result.json", "can't be read", "delete"]),
    "result is a number": (_write("trials/*/result.json", "7"), ["result.json", "selection"]),
    "memory cut": (_cut("ray/searcher.pkl"), ["searcher.pkl", "can't be read", "delete"]),
    "memory is text": (_write("ray/searcher.pkl", "hello"), ["searcher.pkl", "can't be read"]),
    "final is a list": (
        lambda f: (f / "final.json").write_text("[]"), ["final.json", "can't be read", "look"]
    ),
    "final without seeds": (
        lambda f: (f / "final.json").write_text('{"winner": ""}'), ["final.json", "winner"]
    ),
}  # fmt: skip

REPORTS: dict[str, tuple[Damage, list[str]]] = {
    "manifest cut": (_cut("manifest.json"), ["manifest.json", "JSON"]),
    "trials are empty": (_write("trials.csv", ""), ["trials.csv"]),
    "trials are no table": (_write("trials.csv", b"\x00\xff\xfe"), ["trials.csv"]),
    "trials without a column": (_write("trials.csv", "trial,folder\n0,x\n"), ["trials.csv"]),
    "values cut": (_cut("trials/*/values.parquet"), ["values.parquet"]),
    "result is a list": (_write("trials/*/result.json", "[]"), ["result.json"]),
    "rows cut within": (_write("trials/*/metrics.jsonl", "{\n{}\n"), ["metrics.jsonl:1"]),
    "space cut": (_write("space.yaml", "run: ["), ["space.yaml:1"]),
    "best is binary": (_write("best.yaml", b"\xff\xfe"), ["best.yaml"]),
    "final cut": (lambda f: (f / "final.json").write_text("{"), ["final.json", "JSON"]),
}


@pytest.mark.parametrize("case", RUNS)
def test_damaged_run(case: str, root: Path) -> None:
    damage, wanted = RUNS[case]
    damage(root / "run")
    more = [] if case == "result cut" else ["--resume"]
    refused(root, wanted, "train", "small.yaml", "--out", root / "run", *more)


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"selection": {}}', "\x00"])
def test_damaged_result(content: str, root: Path) -> None:
    (root / "run" / "result.json").write_text(content)
    wanted = ["result.json", "delete it to train this run again"]
    refused(root, wanted, "train", "small.yaml", "--out", root / "run", "--resume")


@pytest.mark.parametrize("case", SWEEPS)
def test_damaged_sweep(case: str, root: Path) -> None:
    damage, wanted = SWEEPS[case]
    damage(root / "out")
    refused(root, wanted, "tune", "small.yaml", "--out", root / "out", "--resume")


@pytest.mark.parametrize("case", REPORTS)
def test_report_of_a_damaged_sweep(case: str, root: Path) -> None:
    damage, wanted = REPORTS[case]
    damage(root / "out")
    refused(root, wanted, "report", root / "out")


@pytest.mark.parametrize(
    ("verb", "out", "wanted"),
    [
        ("train", "out", ["out", "holds no run", "best.yaml"]),
        ("tune", "run", ["run", "holds no sweep", "checkpoints"]),
        ("tune", "out", ["out", "holds this sweep already", "--resume"]),
        ("train", "run", ["run", "holds this run already", "--resume"]),
        ("train", "..", ["isn't empty and holds no run"]),
    ],
)
def test_folder_of_another_kind(verb: str, out: str, wanted: list[str], root: Path) -> None:
    refused(root, wanted, verb, "small.yaml", "--out", root / out)


def test_resumed_finished_sweep_only_mends_its_tables(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray is up, but no trial is asked for; what was damaged is written anew, leftovers go."""
    monkeypatch.setattr(sweep, "connect", lambda *given: Cluster((Node(2),)), raising=False)
    out = root / "out"
    before = files(out)
    for name in ("trials.csv", "best.yaml", "study.log"):
        (out / name).write_text("damaged")
    (out / ".trials.csv.99.tmp").write_text("half")
    code, said = called("tune", "small.yaml", "--out", out, "--resume")
    assert code == 0, said
    after = files(out)
    new = after.pop("report.html"), after.pop("summary.json")
    assert all(new) and after.keys() == before.keys()
    same = {n for n in before if n not in ("manifest.json", "study.log")}
    assert {n: after[n] for n in same} == {n: before[n] for n in same}


def test_leftovers_hinder_nobody(root: Path) -> None:
    out = root / "new"
    (out / ".epoch-000001.7.tmp").mkdir(parents=True)
    (out / ".config.yaml.7.tmp").write_text("half")
    code, said = called("train", "small.yaml", "--out", out, "--set", "method.name=bpr")
    assert code == 0, said
    assert not list(out.rglob(".*.tmp"))


@pytest.mark.parametrize("full", ["tensors", "json", "rows"])
def test_full_disk(full: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found while running: exit code 1, no half-written file, and it goes on when there is room."""

    def no_room(*given: Any, **more: Any) -> None:
        if full == "tensors":
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        raise OSError(errno.ENOSPC, "No space left on device", str(root / "run" / "x.json"))

    target = {
        "tensors": "dvr_ray.training.checkpoint.save_file",
        "json": "dvr_ray.training.checkpoint.json.dumps",
        "rows": "dvr_ray.training.reporter.RowLog.report",
    }[full]
    before = files(root / "run")
    with monkeypatch.context() as patch:
        patch.setenv("DVR_RAY_STORAGE_PATIENCE", "0")
        patch.setattr(target, no_room)
        code, said = called("train", "small.yaml", "--out", root / "run", "--resume")
    lines = [line for line in said.splitlines() if line.startswith("error ")]
    assert code == 1 and len(lines) == 1 and "No space left" in lines[0], said
    assert "free space" in lines[0] and "Traceback" not in said
    after = files(root / "run")
    assert after.keys() == before.keys() and not list((root / "run").rglob(".*.tmp"))
    code, said = called("train", "small.yaml", "--out", root / "run", "--resume")
    assert code == 0, said
