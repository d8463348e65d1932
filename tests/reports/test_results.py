"""Reading result folders, whole, unfinished and damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dvr_ray.errors import CheckpointError
from dvr_ray.reports.results import RunResults, SweepResults, load, load_run, load_sweep

Make = Callable[..., Path]


def test_a_sweep_is_read_whole(stored_sweep: Path) -> None:
    sweep = load_sweep(stored_sweep)
    assert (len(sweep.trials), sweep.counts()) == (
        18,
        {"finished": 13, "stopped": 3, "failed": 2},
    )
    assert sweep.winner is not None
    assert (sweep.winner.number, sweep.winner.objectives) == (7, {"ndcg@20": 0.19})
    assert {len(reports) for reports in sweep.curves.values()} == {8, 3}
    assert [run.folder.name for run in sweep.final_runs["dvr"]] == [
        "seed-1000", "seed-1001", "seed-1002",
    ]  # fmt: skip
    assert sweep.manifest.looks_at_test == 1


def test_values_shown_are_those_of_the_winner_retrained(stored_sweep: Path) -> None:
    run = load_sweep(stored_sweep).shown_run
    assert run is not None
    assert run.values is not None
    assert run.folder == stored_sweep / "final" / "hash07" / "dvr" / "seed-1000"
    assert len(run.values) == 600
    assert run.planted


def test_only_one_run_keeps_its_values_in_memory(stored_sweep: Path) -> None:
    sweep = load_sweep(stored_sweep)
    assert sweep.winner_run is not None and sweep.winner_run.values is None
    runs = sweep.final_runs["dvr"]
    assert [run.values is not None for run in runs] == [True, False, False]


def test_a_sweep_without_final_shows_its_best_finished_trial(
    make_sweep: Make, tmp_path: Path
) -> None:
    sweep = load_sweep(make_sweep(tmp_path / "s", final=False))
    assert sweep.final is None
    assert sweep.shown_run is sweep.winner_run
    assert sweep.winner is not None
    assert sweep.winner.number == 7


def test_a_sweep_is_read_without_its_trials_folders(make_sweep: Make, tmp_path: Path) -> None:
    sweep = load_sweep(make_sweep(tmp_path / "s", folders=False, final=False))
    assert not any(sweep.curves.values())
    assert sweep.winner_run is None


def test_a_failed_trial_never_wins(make_sweep: Make, tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", trials=1, final=False)
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace("finished", "failed"))
    assert load_sweep(folder).winner is None


def test_lower_is_better_where_the_manifest_says_so(make_sweep: Make, tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", final=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["directions"] = {"ndcg@20": "minimize"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sweep = load_sweep(folder)
    finished = [t for t in sweep.trials if t.status == "finished"]
    assert sweep.winner == min(finished, key=lambda t: t.objectives["ndcg@20"])


def test_a_torn_last_line_is_left_out(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", reports=4, done=False)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 5, "selec')
    found = load_run(run)
    assert [report.epoch for report in found.reports] == [1, 2, 3, 4]
    assert found.result is None


def test_a_whole_last_line_that_is_damaged_is_an_error(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", reports=2, done=False)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 5, "selec\n')
    with pytest.raises(CheckpointError, match=r"metrics.jsonl:3: not valid JSON"):
        load_run(run)


def test_a_sweep_that_is_still_searching_is_named(make_sweep: Make, tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", trials=1, final=False)
    (folder / "trials.csv").unlink()
    with pytest.raises(CheckpointError, match=r"still searching: trials.csv is missing; wait"):
        load(folder)


def test_numbers_that_are_not_finite_can_be_read(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", reports=1)
    (run / "metrics.jsonl").write_text('{"epoch": 1, "loss": NaN, "selection": {"a@1": NaN}}\n')
    assert load_run(run).reports[0].loss != load_run(run).reports[0].loss


def test_either_kind_of_folder_is_told_apart(
    make_run: Make, stored_sweep: Path, tmp_path: Path
) -> None:
    assert isinstance(load(stored_sweep), SweepResults)
    assert isinstance(load(make_run(tmp_path / "r")), RunResults)


@pytest.mark.parametrize(
    ("file", "content", "place", "rule"),
    [
        ("manifest.json", "{", "manifest.json", "not valid JSON"),
        ("manifest.json", "[1]", "manifest.json", "got [1]"),
        ("manifest.json", "{}", "manifest.json: objectives", "field required, got {}"),
        (
            "manifest.json",
            '{"objectives": ["ndcg@20"], "looks_at_test": "x"}',
            "manifest.json: looks_at_test",
            "got 'x'",
        ),
        ("manifest.json", None, "manifest.json", "no such file"),
        ("space.yaml", None, "space.yaml", "no such file"),
        ("space.yaml", "run: {sede: 1}", "space.yaml:1: run.sede", "sede"),
        ("final.json", '{"winner": 3, "test": 4}', "final.json: test", "got 4"),
        ("trials.csv", "trial,folder\n", "trials.csv:1", "'status', got trial, folder"),
        (
            "trials.csv",
            "trial,folder,status,ndcg@20\n0,a,finished,.1\nx,b,finished,.1\n",
            "trials.csv:3: trial",
            "must be a number, got 'x'",
        ),
        (
            "trials.csv",
            "trial,folder,status,ndcg@20\n0,../a,finished,.1\n",
            "trials.csv:2: folder",
            "got '../a'",
        ),
        (
            "trials.csv",
            "trial,folder,status,ndcg@20\n0,a,lost,.1\n",
            "trials.csv:2: status",
            "got 'lost'",
        ),
        (
            "trials.csv",
            "trial,folder,status,ndcg@20,config.adapter.reward\n0,a,finished,.1,gini\n",
            "trials.csv:2: config.adapter.reward",
            "got 'gini'",
        ),
        (
            "trials/hash07/metrics.jsonl",
            '{"epoch": 1}\n{"epoch": "x"}\n{"epoch": 3}\n',
            "metrics.jsonl:2: epoch",
            "got 'x'",
        ),
        ("trials/hash07/metrics.jsonl", b"\xff\n", "metrics.jsonl", "UTF-8, got byte 0xff"),
        ("trials/hash07/result.json", "", "result.json", "not valid JSON"),
        ("trials/hash07/config.yaml", "a: [", "config.yaml", "not valid YAML"),
        (
            "final/hash07/dvr/seed-1000/values.parquet",
            "no",
            "values.parquet",
            "not a readable Parquet file",
        ),
    ],
)
def test_a_damaged_sweep_names_place_and_value(
    stored_sweep: Path,
    tmp_path: Path,
    file: str,
    content: str | bytes | None,
    place: str,
    rule: str,
) -> None:
    folder = tmp_path / "sweep"
    shutil.copytree(stored_sweep, folder)
    path = folder / file
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CheckpointError) as caught:
        load_sweep(folder)
    assert place in caught.value.place
    assert rule in caught.value.rule
    assert caught.value.mend
    assert "\n" not in str(caught.value)


def test_values_need_their_column(make_run: Make, tmp_path: Path) -> None:
    import pandas as pd

    run = make_run(tmp_path / "r", rows=20)
    pd.DataFrame({"probability": [0.5]}).to_parquet(run / "values.parquet")
    with pytest.raises(CheckpointError, match=r"column value, got probability"):
        load_run(run)


@pytest.mark.parametrize("read", [load, load_run, load_sweep])
def test_a_folder_without_results_is_refused(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: not a result folder: holds neither trials.csv nor result.json; "
        "give the folder that `dvr-ray tune` or `dvr-ray train` wrote"
    )
    with pytest.raises(CheckpointError, match=r"absent: no such folder"):
        read(tmp_path / "absent")


def test_an_objective_from_outside_is_not_imported(make_sweep: Make, tmp_path: Path) -> None:
    """A result folder may come from a stranger; a name in it must not run code."""
    (tmp_path / "evil_metric.py").write_text("raise SystemExit('imported')")
    sweep = load_sweep(make_sweep(tmp_path / "s", objectives=("evil_metric:X@20",), final=False))
    assert sweep.maximised("evil_metric:X@20")
