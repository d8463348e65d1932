"""``--json``: one event a line that fits the schema, the result last; ``-q``; the log file."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from event_lines import SCHEMA, read_events
from terminal import run_in_terminal

from dvr_ray.cli.bar import RunBar
from dvr_ray.cli.main import main
from dvr_ray.distributed.usage import ClusterSeen
from dvr_ray.events import (
    Event,
    Failed,
    Finished,
    Note,
    Reported,
    Retraining,
    Staged,
    Started,
    TrialEnded,
    TrialReported,
    TrialStarted,
    Warned,
)

SPACE = """\
run:
  data: {source: synthetic, users: 60, items: 50}
  backbone: {name: bprmf, dim: 4}
  method: {name: bpr}
  training: {epochs: 3, warmup: 1}
"""
Called = tuple[int, str, str]
Call = Callable[..., Called]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Run a command in a folder with ``space.yaml``; exit code, stdout and stderr."""
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def caller(*arguments: str) -> Called:
        monkeypatch.setattr(sys, "argv", ["dvr-ray", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return caller


def _kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_training_tells_its_events(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("train", "space.yaml", "--out", "run", "--json")
    assert code == 0
    events = read_events(out)
    assert _kinds(events) == ["started", "note", *["reported"] * 3, "finished"]
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    for row, event in zip(rows, events[2:5], strict=True):
        assert event["epoch"] == row["epoch"] and event["loss"] == row["loss"]
        assert event["selection"] == {"ndcg@20": row["selection"]["ndcg@20"]}
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert {k: v for k, v in events[-1].items() if k not in ("event", "time", "folder")} == result


def test_verbs_with_one_result_print_one_line(call: Call) -> None:
    call("train", "space.yaml", "--out", "run", "-q")
    for arguments in (
        ("report", "run"),
        ("data", "describe", "--source", "synthetic"),
        ("data", "split", "space.yaml", "--out", "parts"),
        ("data", "convert", "parts/train.parquet", "--to", "lightgcn", "--out", "texts"),
        ("doctor",),
    ):
        code, out, _ = call(*arguments, "--json")
        assert code == 0
        assert _kinds(read_events(out)) == ["finished"], arguments


@pytest.mark.parametrize(
    "arguments", [("train", "no.yaml"), ("train", "space.yaml", "--set", "training.epochs=0"), ()]
)
def test_a_failure_is_an_event_too(arguments: tuple[str, ...], call: Call) -> None:
    code, out, err = call(*arguments, "--json")
    assert code == 2
    (event,) = read_events(out)
    assert event["event"] == "failed" and event["exit_code"] == 2
    assert f"error {event['error']}" in err


def test_quiet_shows_only_the_result(call: Call, tmp_path: Path) -> None:
    _, out, err = call("train", "space.yaml", "--out", "run", "-q")
    assert not err
    assert "ndcg@20" in out and "results: run" in out
    assert "epoch    3" in (tmp_path / "run/log.txt").read_text()
    _, out, err = call("train", "space.yaml", "--out", "other", "-q", "--json")
    assert not err and _kinds(read_events(out)) == ["finished"]


def test_verbose_shows_what_the_log_holds_beside_the_lines(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(self: RunBar, event: Event) -> None:
        logging.getLogger("ray.tune").info("chatter")
        logging.getLogger("dvr_ray.training").debug("detail")
        original(self, event)

    original = RunBar.tell
    monkeypatch.setattr(RunBar, "tell", tell)
    _, _, err = call("train", "space.yaml", "--out", "run", "-v")
    assert "INFO ray.tune: chatter" in err and "DEBUG dvr_ray.training: detail" in err
    assert err.count("epoch    3") == 1
    _, _, err = call("train", "space.yaml", "--out", "other")
    assert "chatter" not in err and "detail" not in err


def test_plain_output_of_a_training(call: Call, tmp_path: Path) -> None:
    code, out, err = call("train", "space.yaml", "--out", "run")
    lines = err.splitlines()
    assert code == 0 and len(lines) == 5
    assert lines[0] == "training run: at most 3 epochs; results go to run"
    assert lines[1].startswith("synthetic: ") and lines[1].endswith("60 users, 50 items")
    assert all(line.startswith(f"epoch    {n}  train ") for n, line in enumerate(lines[2:], 1))
    assert out.splitlines()[-1] == "results: run; look at them: dvr-ray report run"


def test_the_run_that_learns_the_valuator_first_is_shown(call: Call) -> None:
    fixed = ["--set", "method.name=dvr", "--set", "method.pretrained=true"]
    code, out, _ = call("train", "space.yaml", "--out", "run", *fixed, "--json")
    told = [event for event in read_events(out) if event["event"] == "reported"]
    epochs = {
        run: [event["epoch"] for event in told if event["run"] == run]
        for run in ("pretraining", None)
    }
    assert code == 0 and epochs == {"pretraining": [1, 3], None: [1, 2, 3]}
    _, out, _ = call("train", "space.yaml", "--out", "run", *fixed, "--json", "--resume")
    assert all(event["run"] is None for event in read_events(out) if event["event"] == "reported")


def test_a_failed_training_says_where_its_log_lies(call: Call, tmp_path: Path) -> None:
    lines = ["from dvr_ray.negatives.uniform import Uniform", "class Dry(Uniform):"]
    lines += [
        "    def draw(self, rows, generator):",
        "        raise OSError(28, 'no space', 'here')",
    ]
    (tmp_path / "dry.py").write_text("\n".join(lines), encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        found = call("train", "space.yaml", "--out", "run", "--set", "negatives.name='dry:Dry'")
    finally:
        sys.path.remove(str(tmp_path))
    code, _, err = found
    assert code == 1
    assert err.splitlines()[-2:] == [
        "details: run/log.txt",
        "error here: no space; check path, rights and free space",
    ]
    log = (tmp_path / "run/log.txt").read_text()
    assert "Traceback" in log and "dry.py" in log and "OSError" in log


def test_bar_on_a_terminal(call: Call, tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "dvr_ray", "train", "space.yaml", "--out", "run"]
    code, end, screens = run_in_terminal(command, {"PYTHONPATH": str(repository)})
    assert code == 0
    lines = end.splitlines()
    assert lines[0].startswith("training run:") and lines[1].startswith("synthetic:")
    assert lines[2].startswith("validation-selection")  # the bar is gone
    bars = [line for s in screens for line in s.splitlines() if line.startswith("epoch ")]
    assert any("3/3" in line and "loss 0." in line and "ndcg@20 " in line for line in bars)


def test_every_kind_of_event_fits_the_schema() -> None:
    ended = TrialEnded(1, "0123456789ab", "failed", {}, 0, 0.0, "why")
    events: list[Event] = [
        Note("text"),
        Staged("rows read", 3, 0),
        Warned("name: text", 3),
        Warned("name: text", run="retraining dvr seed 1000"),
        Started("tune", "s", "runs/s", 20, {"ndcg@20": "max"}, None, 1.5, 2, 7.25),
        Started("train", "s", "runs/s", 20, {"loss": "min"}),
        ClusterSeen(3, 6.0, 1.0, 4.0, 0.5, 2),
        Reported(2, "bilevel", 0.5, {"ndcg@20": 0.1}, 0.7, "keep-all"),
        TrialStarted(1, "0123456789ab", {"adapter.reward": "loss", "training.lr": 0.1}),
        TrialReported(2, "warm-up", 0.5, {"ndcg@20": 0.1}, trial=4),
        ended,
        Retraining("keep-all", 1000, "waiting", 0, 20, 0, 4),
        Failed("place: rule; mend", 2),
        Finished({"report": "report.html"}),
    ]
    found = read_events("\n".join(json.dumps(event.row()) for event in events))
    named = {ref["$ref"].rpartition("/")[2] for ref in json.loads(SCHEMA.read_text())["oneOf"]}
    assert set(_kinds(found)) == named
    assert str(ended) == "trial 1 failed  epochs 0  0 s  error: why"


def test_the_schema_refuses_what_is_not_an_event() -> None:
    import jsonschema

    good = Note("text").row()
    for wrong in ({"event": "nonsense"}, {"time": "yesterday"}, {"text": 3}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            read_events(json.dumps(good | wrong))


def test_the_page_on_events_names_every_event_and_field(repository: Path) -> None:
    page = (repository / "docs/events.md").read_text(encoding="utf-8")
    for name, definition in json.loads(SCHEMA.read_text())["$defs"].items():
        if not name.startswith("finished_") and name != "time":
            assert f"`{name}`" in page
        for field in definition.get("properties", ()):
            assert f"`{field}`" in page, (name, field)
