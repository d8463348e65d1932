"""``dvr-ray train``: one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dvr_ray.cli.bar import RunBar
from dvr_ray.cli.logs import logged
from dvr_ray.cli.options import (
    Address,
    AsJson,
    More,
    Out,
    Overrides,
    Quiet,
    Resume,
    Verbose,
    Workers,
)
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Note, Started
from dvr_ray.files import LOGS, claimed, visible
from dvr_ray.registry import canonical

__all__ = ["train"]


def train(
    config: Annotated[Path, typer.Argument(help="Run config, or a search space (then its `run`).")],
    more: More = None,
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train one run: warm-up, bilevel loop, early stopping, values of all interactions.

    Example: dvr-ray train search_spaces/quickstart.yaml --set method.name=bpr --out runs/bpr

    The folder gets config.yaml, metrics.jsonl, checkpoints/, model.safetensors, values.parquet and
    result.json. The test part isn't looked at; `tune` does that once, for its winner.
    """
    from dvr_ray.config.load import load_run, load_tracking
    from dvr_ray.tracking import check_tracking
    from dvr_ray.training.build import check

    screen = Screen(as_json, quiet, verbose)
    run_config = load_run(config, overrides or [], more or [])
    check(run_config, str(config))
    tracking = load_tracking(config, overrides or [], more or [])
    check_tracking(tracking, f"{config}: tracking")
    folder = out or Path("runs") / config.stem
    _check_folder(folder, run_config, resume)
    if workers and workers > 1:
        import ray  # noqa: F401  (its logger has handlers of its own, which `logged` takes off)
    with (
        logged(screen) as log,
        RunBar(screen, log, run_config) as bar,
        claimed(folder),
    ):
        _check_folder(folder, run_config, resume)
        result = _train(run_config, tracking, folder, bar, workers or 1, address)
    _show(result, folder, screen)
    if tracking.tensorboard:
        screen.result(f"curves: tensorboard --logdir {folder}")
    screen.finish({**result, "folder": str(folder)})


def _train(
    config: Any, tracking: Any, folder: Path, bar: RunBar, workers: int, address: str | None
) -> dict[str, Any]:
    """Prepare the data and train."""
    from dvr_ray.data.prepare import prepare
    from dvr_ray.tracking import Tracking
    from dvr_ray.training.run import RunRequest, run

    data, _ = prepare(config)
    where = Tracking(tracking, folder.name, folder.resolve())
    request = RunRequest(config, data, folder, tracking=where)
    if workers == 1:
        _tell_start(request, bar)
        return run(request, bar)
    return _run_group(request, workers, address, bar)


def _tell_start(request: Any, bar: RunBar) -> None:
    """Say what is trained on what, and where results go."""
    from dvr_ray.metrics import parse

    config, data, folder = request.config, request.data, request.folder
    metric = canonical(config.training.metric)
    direction = "max" if parse(metric).higher_is_better else "min"
    bar.tell(
        Started("train", folder.name, str(folder), config.training.epochs, {metric: direction})
    )
    bar.tell(
        Note(
            f"{data.name}: {len(data.train)} training rows, {data.train.num_users} users, "
            f"{data.train.num_items} items"
        )
    )


def _show(result: dict[str, Any], folder: Path, screen: Screen) -> None:
    """Print the tables, and say where everything is."""
    rows = [[name, f"{value:.4f}"] for name, value in result["selection"].items()]
    screen.table("validation-selection, best epoch", ["metric", "value"], rows)
    if "auc" in result:
        rows = [[name, f"{value:.3f}"] for name, value in result["auc"].items()]
        screen.table("AUC of real against planted rows (.5 is chance)", ["score", "AUC"], rows)
    screen.result(f"best epoch: {result['best_epoch']} of {result['epoch']}")
    screen.result(f"results: {folder}; look at them: dvr-ray report {folder}")


def _check_folder(folder: Path, run_config: Any, resume: bool) -> None:
    """Refuse a folder with other content, or with this run unless it is to be resumed."""
    from dvr_ray.config.load import config_hash, load_run
    from dvr_ray.errors import ConfigError

    if folder.exists() and not folder.is_dir():
        raise ConfigError(str(folder), "must be a folder, got a file", "use another --out")
    if not folder.exists() or set(visible(folder)) <= set(LOGS):
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


def _run_group(request: Any, workers: int, address: str | None, bar: RunBar) -> dict[str, Any]:
    """Train on a Ray Train group; a cluster that can't be had is refused before anything starts."""
    from dvr_ray.config.schema import ResourcesConfig
    from dvr_ray.distributed.cluster import connect, disconnect
    from dvr_ray.distributed.group import WorkerGroups, run_on
    from dvr_ray.training.stored import finished

    resources = ResourcesConfig(workers=workers)
    connect(address, resources, bar.screen.verbose)
    try:
        _tell_start(request, bar)
        bar.tell(Note(f"Ray is up; training on {workers} workers"))
        with WorkerGroups(request.data, resources, request.folder / "ray-train") as groups:
            run_on(groups.mailbox, [request], bar)
        return finished(request.folder) or {}
    finally:
        disconnect()
