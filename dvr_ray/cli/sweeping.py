"""``dvr-ray tune``: a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.live import Live
from rich.table import Table

from dvr_ray.cli.options import Address, AsJson, Out, Overrides, Resume, Workers
from dvr_ray.cli.screen import Screen

__all__ = ["tune"]


def tune(
    space: Annotated[Path, typer.Argument(help="Search space: run, search, tune, resources.")],
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    trials: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--trials", "-n", min=1, help="Budget in trials."),
    ] = None,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Search a space with Ray Tune and Optuna, retrain the winner, look at test once, report.

    Example: dvr-ray tune search_spaces/quickstart.yaml

    Trial 0 is always the plain `run`. The folder gets trials.csv, best.yaml (which `train` takes),
    study.log (for optuna-dashboard), manifest.json and report.html. After Ctrl-C or a crash, the
    same command with --resume goes on; finished trials are never trained again.
    """
    from dvr_ray.config.load import load_space
    from dvr_ray.tuning.sweep import SweepRequest, check_space, sweep

    screen = Screen(as_json)
    asked = list(overrides or [])
    asked += [f"resources.workers={workers}"] if workers else []
    asked += [f"tune.trials={trials}"] if trials else []
    loaded = load_space(space, asked)
    check_space(loaded, str(space))
    folder = out or Path("runs") / loaded.name
    screen.say(f"sweep {loaded.name}: results go to {folder}")
    with _Board(screen, loaded.tune.objectives, loaded.tune.trials) as board:
        result = sweep(SweepRequest(loaded, folder, resume, address, board.say, board.on_event))
    _show(result, folder, loaded, screen)


def _show(result: Any, folder: Path, space: Any, screen: Screen) -> None:
    """Print the tables and say where everything is."""
    from dvr_ray.reports.page import write_report
    from dvr_ray.reports.results import load_sweep

    stored = load_sweep(folder)
    _show_trials(stored, space, screen)
    _show_test(stored, screen)
    page = write_report(folder)
    best = result.front[0]
    values = ", ".join(f"{name} {value:.4f}" for name, value in best.objectives.items())
    failed = sum(record.status == "failed" for record in result.records)
    screen.result(f"best: trial {best.number} with {values} on validation-selection")
    screen.result(f"report: {page}")
    screen.result(
        f"results: {folder}" + (f"; {failed} trial(s) failed, see trials.csv" if failed else "")
    )
    screen.json(
        {
            "folder": str(folder),
            "report": str(page),
            "best": {"trial": best.number, "folder": best.folder, "selection": best.objectives,
                     "values": best.values},
            "trials": len(result.records),
            "failed": failed,
            "final": result.final,
        }
    )  # fmt: skip


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


class _Board:
    """A live table of trials on a terminal, one line per finished trial elsewhere."""

    SHOWN = 12

    def __init__(self, screen: Screen, objectives: tuple[str, ...], trials: int | None) -> None:
        self._screen, self._objectives, self._trials = screen, objectives, trials
        self._latest: dict[int, tuple[str, dict[str, Any]]] = {}
        self._live = Live(console=screen.log, refresh_per_second=4, transient=True)

    def __enter__(self) -> _Board:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._screen.say(line)

    def on_event(self, number: int, status: str, metrics: dict[str, Any]) -> None:
        """Take news of a trial."""
        kept = metrics or self._latest.get(number, ("", {}))[1]
        self._latest[number] = (status, kept)
        if self._screen.log.is_terminal:
            self._live.update(self._table())
        elif status != "running":
            self._screen.say(f"trial {number:>3} {status:<7} {self._values(kept)}")

    def _values(self, metrics: dict[str, Any]) -> str:
        shown = [f"{name} {metrics[name]:.4f}" for name in self._objectives if name in metrics]
        return "  ".join([f"epoch {metrics['epoch']:>3}", *shown]) if shown else ""

    def _table(self) -> Table:
        ended = sum(status != "running" for status, _ in self._latest.values())
        of = f" of {self._trials}" if self._trials else ""
        table = Table(title=f"{ended}{of} trials ended", box=None, header_style="bold")
        for column in ("trial", "status", "latest report"):
            table.add_column(column)
        for number, (status, metrics) in sorted(self._latest.items())[-self.SHOWN :]:
            table.add_row(str(number), status, self._values(metrics))
        return table
