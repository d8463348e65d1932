"""Every wrong input ends in one line that names place, value and mend, with exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dvr_ray.cli.main import main

SPACE = """\
name: small
run:
  data: {source: synthetic, users: 60, items: 50}
  training: {epochs: 4, warmup: 1}
search:
  valuator.depth: {int: [1, 4]}
tune: {objective: ndcg@20, trials: 2}
"""
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def _fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> str:
    """Run a command that must fail; its one line."""
    monkeypatch.setattr(sys, "argv", ["dvr-ray", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1
    assert "Traceback" not in lines[0] and "; " in lines[0]
    return lines[0]


EDITS = [
    ("depth: {int", "depht: {int", ["small.yaml:6", "valuator.depht", "valuator.depth"]),
    ("int: [1, 4]", "int: [0, 4]", ["small.yaml:6", "valuator.depth", "0"]),
    ("int: [1, 4]", "int: [4, 1]", ["small.yaml:6", "valuator.depth", "[4, 1]"]),
    ("int: [1, 4]", "int: [2, 4]", ["small.yaml:", "valuator.depth", "[2, 4]", "1"]),
    ("epochs: 4", "epochs: 0", ["small.yaml:4", "training.epochs", "0"]),
    ("epochs: 4", "epochs: four", ["small.yaml:4", "training.epochs", "four"]),
    ("epochs: 4", "epochs: .nan", ["small.yaml:4", "nan"]),
    ("epochs: 4", "epocs: 4", ["small.yaml:4", "epocs", "epochs"]),
    ("trials: 2", "trails: 2", ["small.yaml:7", "trails", "trials"]),
    ("objective: ndcg@20", "objective: ngcd@20", ["objective", "ngcd@20", "ndcg"]),
    ("objective: ndcg@20", "objective: ndcg", ["objective", "ndcg", "cutoff"]),
    ("source: synthetic", "source: sintetic", ["data.source", "sintetic", "synthetic"]),
    ("run:", "run:\n  backbone: {name: bprfm}", ["backbone", "bprfm", "bprmf"]),
    ("run:", "run:\n  backbone: {name: bprmf, dims: 3}", ["backbone.dims", "dim"]),
    ("run:", "run:\n  backbone: {name: bprmf, dim: 0}", ["backbone.dim", "0"]),
    ("run:", "run:\n  negatives: {name: 'no.such:Class'}", ["negatives", "no.such:Class"]),
    ("run:", "run:\n  encoder: {features: [agreement, los]}", ["encoder.features", "los", "loss"]),
    ("run:", "run:\n  adapter: {reward: ndgc@20}", ["adapter.reward", "ndgc@20"]),
    (
        "run:", "run:\n  method: {name: fixed-score, score: -skew.0}",
        ["small.yaml: run: method.score", "'skew'", "add it to encoder.features"],
    ),
    ("run:", "run:\n  method: {name: balanced, by: country}", ["method.by", "gender", "country"]),
    ("run:", "run:\n  adapter: {masks: 1}", ["adapter", "masks"]),
    ("run:", "run:\n  valuator: {units: 0, singletons: false}", ["valuator", "units"]),
    ("run:", "tracking: {tensorbord: true}\nrun:", ["small.yaml:2", "tensorbord", "tensorboard"]),
    ("run:", "tracking: {hooks: ['no.such:T']}\nrun:", ["tracking.hooks", "no.such:T"]),
    ("name: small", "name: !!python/object/apply:os.system [ls]", ["small.yaml:1", "tag"]),
    ("name: small", "name: [small", ["small.yaml:"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "wanted"), EDITS, ids=[edit[1][:40] for edit in EDITS])
def test_wrong_space(
    old: str,
    new: str,
    wanted: list[str],
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert old in SPACE
    path = write("small.yaml", SPACE.replace(old, new, 1))
    line = _fails(capsys, monkeypatch, "tune", path, "--out", path.parent / "out")
    assert all(part in line for part in wanted), line
    assert not (path.parent / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["train", "no.yaml"], ["no.yaml"]),
        (["train", "{space}", "--set", "training.epochs=0"], ["--set", "training.epochs", "0"]),
        (["train", "{space}", "--set", "training.epochs"], ["--set", "training.epochs"]),
        (["train", "{space}", "--set", "data.source=hetrec"], ["data.path", "hetrec"]),
        (
            ["train", "{space}", "--set", "data.source=hetrec", "--set", "data.path=/no/where"],
            ["/no/where"],
        ),
        (["tune", "{space}", "--workers", "9999"], ["9999", "CPU", "resources.workers"]),
        (["tune", "{space}", "--workers", "0"], ["--workers", "1"]),
        (["tune", "{space}", "--parallel", "users"], ["--parallel", "users", "masks"]),
        (
            ["tune", "{space}", "--workers", "6", "--parallel", "masks"],
            ["{space}: resources.workers", "<= 5", "adapter.masks 4", "6", "batches"],
        ),
        (
            [
                "tune",
                "{space}",
                "--workers",
                "4",
                "--parallel",
                "masks",
                "--set",
                "search.adapter.masks={{int: [2, 8]}}",
            ],
            ["{space}: resources.workers", "<= 3", "adapter.masks 2", "4"],
        ),
        (
            ["train", "{space}", "--workers", "6", "--parallel", "masks"],
            ["--workers", "<= 5", "adapter.masks 4", "6"],
        ),
        (["report", "{folder}"], ["neither", "{folder}"]),
        (["data", "describe", "{folder}"], ["{folder}", "train.txt"]),
        (["trian", "{space}"], ["trian", "train"]),
        (["train"], ["config"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_request(
    arguments: list[str],
    wanted: list[str],
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = write("small.yaml", SPACE)
    folder = write("empty/.keep", "").parent
    filled = [a.format(space=space, folder=folder) for a in arguments]
    monkeypatch.chdir(space.parent)
    line = _fails(capsys, monkeypatch, *filled)
    assert all(part.format(space=space, folder=folder) in line for part in wanted), line


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ["train.txt", "empty"]),
        ("0 1 2\n1 x 3\n", ["train.txt:2", "'x'"]),
        ("0 1 2\n1 -4\n", ["train.txt:2", "-4"]),
        ("0 1 2\n1 99999999999\n", ["train.txt:2", "99999999999"]),
        ("0 1 nan\n", ["train.txt:1", "nan"]),
    ],
)
def test_wrong_data_file(
    text: str,
    wanted: list[str],
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = write("log/train.txt", text).parent
    line = _fails(capsys, monkeypatch, "data", "describe", folder)
    assert all(part in line for part in wanted), line


def test_folder_of_another_run_is_left_alone(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = write("small.yaml", SPACE)
    out = space.parent / "out"
    monkeypatch.setattr(sys, "argv", ["dvr-ray", "train", str(space), "--out", str(out), "--json"])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert not exit_info.value.code
    before = (out / "result.json").read_bytes()
    capsys.readouterr()
    again = _fails(capsys, monkeypatch, "train", space, "--out", out)
    assert "--resume" in again
    other = _fails(capsys, monkeypatch, "train", space, "--out", out, "--set", "seed=3")
    assert "another run" in other
    sweep = _fails(capsys, monkeypatch, "tune", space, "--out", out)
    assert "holds no sweep" in sweep
    assert (out / "result.json").read_bytes() == before


@pytest.mark.parametrize(
    "verb",
    [
        *([verb] for verb in ("train", "tune", "audit", "report", "doctor")),
        *(["data", verb] for verb in ("describe", "convert", "split")),
        [],
    ],
)
def test_help_shows_an_example(
    verb: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["dvr-ray", *verb, "--help"])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert not exit_info.value.code
    shown = capsys.readouterr().out
    assert "Example: dvr-ray" in shown if verb else "tune" in shown
