"""``dvr-ray train``: one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dvr_ray.cli.options import Address, AsJson, Out, Overrides, Resume, Workers
from dvr_ray.cli.screen import Screen
from dvr_ray.files import claimed, visible

__all__ = ["train"]


def train(
    config: Annotated[Path, typer.Argument(help="Run config, or a search space (then its `run`).")],
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Train one run: warm-up, bilevel loop, early stopping, values of all interactions.

    Example: dvr-ray train search_spaces/quickstart.yaml --set method.name=bpr --out runs/bpr

    The folder gets config.yaml, metrics.jsonl, checkpoints/, model.safetensors, values.parquet and
    result.json. The test part isn't looked at; `tune` does that once, for its winner.
    """
    from dvr_ray.config.load import load_run
    from dvr_ray.training.build import check

    screen = Screen(as_json)
    run_config = load_run(config, overrides or [])
    check(run_config, str(config))
    folder = out or Path("runs") / config.stem
    _check_folder(folder, run_config, resume)
    with claimed(folder):
        _check_folder(folder, run_config, resume)
        result = _prepare_and_run(run_config, folder, workers or 1, address, screen)
    if as_json:
        screen.json(result)
        return
    rows = [[name, f"{value:.4f}"] for name, value in result["selection"].items()]
    screen.table("validation-selection, best epoch", ["metric", "value"], rows)
    if "auc" in result:
        rows = [[name, f"{value:.3f}"] for name, value in result["auc"].items()]
        screen.table("AUC of real against planted rows (.5 is chance)", ["score", "AUC"], rows)
    screen.result(f"best epoch {result['best_epoch']} of {result['epoch']}, results in {folder}")


def _prepare_and_run(
    run_config: Any, folder: Path, workers: int, address: str | None, screen: Screen
) -> dict[str, Any]:
    from dvr_ray.data.prepare import prepare
    from dvr_ray.training.run import RunRequest

    data, _ = prepare(run_config)
    screen.say(
        f"{data.name}: {len(data.train)} training rows, {data.train.num_users} users, "
        f"{data.train.num_items} items; results in {folder}"
    )
    return _run(RunRequest(run_config, data, folder), workers, address, screen)


def _check_folder(folder: Path, run_config: Any, resume: bool) -> None:
    """Refuse a folder with other content, or with this run unless it is to be resumed."""
    from dvr_ray.config.load import config_hash, load_run
    from dvr_ray.errors import ConfigError

    if folder.exists() and not folder.is_dir():
        raise ConfigError(str(folder), "must be a folder, got a file", "use another --out")
    if not folder.exists() or not visible(folder):
        return
    if not (folder / "config.yaml").exists():
        raise ConfigError(
            str(folder),
            f"the folder isn't empty and holds no run, got {visible(folder)[0]}",
            "use another --out",
        )
    if config_hash(load_run(folder / "config.yaml")) != config_hash(run_config):
        raise ConfigError(str(folder), "holds another run", "use another --out")
    if not resume:
        raise ConfigError(
            str(folder), "holds this run already", "add --resume or use another --out"
        )


def _run(request: Any, workers: int, address: str | None, screen: Screen) -> dict[str, Any]:
    """Train in this process, or on a Ray Train group where several workers are asked for."""
    if workers > 1:
        return _run_group(request, workers, address, screen)
    from dvr_ray.training.run import run

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[shown]}"),
        console=screen.log,
        transient=True,
    ) as progress:
        return run(request, _Bar(progress, request.config, screen))


def _run_group(request: Any, workers: int, address: str | None, screen: Screen) -> dict[str, Any]:
    from dvr_ray.config.schema import ResourcesConfig
    from dvr_ray.distributed.cluster import connect, disconnect
    from dvr_ray.distributed.group import run_group

    resources = ResourcesConfig(workers=workers)
    connect(address, resources)
    screen.say(f"training on {workers} workers; each epoch's line is in {request.folder}")
    try:
        return run_group(request, resources, (request.config.training.metric.lower(),))
    finally:
        disconnect()


class _Bar:
    """Shows loss, metric and keep-rate beside a bar of epochs; prints lines without a terminal."""

    def __init__(self, progress: Progress, config: Any, screen: Screen) -> None:
        self._progress, self._screen, self._metric = (
            progress,
            screen,
            config.training.metric.lower(),
        )
        self._task = progress.add_task("epochs", total=config.training.epochs, shown="")

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Advance the bar."""
        shown = f"loss {row['loss']:.4f}  {self._metric} {row['selection'][self._metric]:.4f}"
        if "keep_rate" in row:
            shown += f"  keep {row['keep_rate']:.0%}"
        if row.get("adopted") == "keep-all":
            shown += "  gate: keep-all selects better"
        self._progress.update(self._task, completed=row["epoch"], shown=shown)
        if not self._progress.console.is_terminal:
            self._screen.say(f"epoch {row['epoch']:>4}  {row['phase']:<8} {shown}")
        for warning in row.get("warnings", ()):
            self._screen.warn(warning)
