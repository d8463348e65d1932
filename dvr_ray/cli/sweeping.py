"""``dvr-ray tune``: a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from dvr_ray.cli.board import Board
from dvr_ray.cli.logs import LogFile, logged
from dvr_ray.cli.options import (
    Address,
    AsJson,
    More,
    Out,
    Overrides,
    Parallel,
    Quiet,
    Resume,
    Verbose,
    Workers,
)
from dvr_ray.cli.places import bring, kept
from dvr_ray.cli.screen import Screen

__all__ = ["tune"]


def tune(
    space: Annotated[Path, typer.Argument(help="Search space: run, search, tune, resources.")],
    more: More = None,
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    parallel: Parallel = None,
    trials: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--trials", "-n", min=1, help="Budget in trials."),
    ] = None,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Search a space with Ray Tune and Optuna, retrain the winner, look at test once, report.

    Example: dvr-ray tune search_spaces/quickstart.yaml

    Trial 0 is always the plain `run`. The folder gets trials.csv, best.yaml (which `train` takes),
    study.log (for optuna-dashboard), manifest.json and report.html. After Ctrl-C or a crash, the
    same command with --resume goes on; finished trials are never trained again.
    """
    from dvr_ray.config.load import load_space
    from dvr_ray.tuning.sweep import SweepRequest, check_space, sweep

    screen = Screen(as_json, quiet, verbose)
    asked = list(overrides or [])
    asked += [f"resources.workers={workers}"] if workers else []
    asked += [f"resources.parallel={parallel.value}"] if parallel else []
    asked += [f"tune.trials={trials}"] if trials else []
    loaded = load_space(space, asked, more or [])
    check_space(loaded, str(space))
    bring(loaded.run.data, space, asked, more, screen)
    with kept(out, Path("runs") / loaded.name, screen) as place, logged(screen) as log:
        with Board(screen, log) as board:
            tell = place.told(board.tell)
            result = sweep(
                SweepRequest(loaded, place.folder, resume, address, tell, verbose, place.mirror)
            )
        if warnings := board.warnings():
            screen.say(f"warnings: {warnings}; each is in {log.path}")
        found = _show(result, place.folder, loaded, screen, log)
    screen.finish(place.about() | found)


def _show(result: Any, folder: Path, space: Any, screen: Screen, log: LogFile) -> dict[str, Any]:
    """Print the tables, say where everything is and what to do with it; return it for programs."""
    from dvr_ray.reports.page import write_report
    from dvr_ray.reports.results import load_sweep

    stored = load_sweep(folder)
    _show_trials(stored, space, screen)
    _show_test(stored, screen)
    page = write_report(folder)
    best = result.front[0]
    values = ", ".join(f"{name} {value:.4f}" for name, value in best.objectives.items())
    failed = sum(record.status == "failed" for record in result.records)
    screen.result(f"best of the finished trials: trial {best.number} with {values}")
    screen.result(f"report: {page}")
    screen.result(f"all trials: {folder}/trials.csv; optuna-dashboard {folder}/study.log")
    screen.result(f"train the best again: dvr-ray train {folder}/best.yaml --out FOLDER")
    if space.tracking.tensorboard:
        screen.result(f"curves: tensorboard --logdir {folder}")
    if result.faults:
        screen.result(f"faults: {result.faults}")
    if failed:
        screen.result(f"{failed} of {len(result.records)} trials failed: {log.path}")
    return {
        "report": str(page),
        "best": {"trial": best.number, "folder": best.folder, "selection": best.objectives,
                 "values": best.values},
        "trials": len(result.records),
        "failed": failed,
        "faults": result.faults,
        "final": result.final,
    }  # fmt: skip


def _show_trials(stored: Any, space: Any, screen: Screen) -> None:
    from dvr_ray.reports.tables import top_trials

    objectives, fields = space.tune.objectives, list(space.search)
    rows = [
        [
            trial.number,
            trial.status,
            trial.epochs,
            *(_cell(trial.objectives.get(name)) for name in objectives),
            *(_cell(trial.values.get(name)) for name in fields),
        ]
        for trial in top_trials(stored)
    ]
    screen.table(
        "best trials, on validation-selection",
        ["trial", "status", "epochs", *objectives, *fields],
        rows,
    )


def _show_test(stored: Any, screen: Screen) -> None:
    from dvr_ray.reports.tables import final_rows

    found = final_rows(stored)
    if not found:
        return
    methods = list(found[0].methods)
    rows = [[row.metric, *(str(row.methods[name]) for name in methods)] for row in found]
    seeds = found[0].methods[methods[0]].count
    screen.table(f"sealed test, mean ± sd over {seeds} fresh seeds", ["metric", *methods], rows)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
