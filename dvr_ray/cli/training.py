"""``dvr-ray train``: one run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from dvr_ray.cli.bar import RunBar
from dvr_ray.cli.folders import check_folder
from dvr_ray.cli.logs import logged
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
from dvr_ray.cli.places import Place, bring, kept
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Note, Started, Warned
from dvr_ray.files import claimed
from dvr_ray.registry import canonical

__all__ = ["train"]


def train(
    config: Annotated[Path, typer.Argument(help="Run config, or a search space (then its `run`).")],
    more: More = None,
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    parallel: Parallel = None,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train one run: warm-up, bilevel loop, early stopping, values of all interactions.

    Example: dvr-ray train search_spaces/quickstart.yaml --set method.name=bpr --out runs/bpr

    The folder gets config.yaml, metrics.jsonl, checkpoints/, model.safetensors, values.parquet,
    valuator.safetensors and result.json. The test part isn't looked at; `tune` does that once, for
    its winner.
    """
    from dvr_ray.config.load import load_resources, load_run, load_tracking
    from dvr_ray.tracking import check_tracking
    from dvr_ray.training.build import check
    from dvr_ray.training.run import run
    from dvr_ray.training.sharing import check_workers

    screen = Screen(as_json, quiet, verbose)
    run_config = load_run(config, overrides or [], more or [])
    check(run_config, str(config))
    how = parallel.value if parallel else None
    resources = load_resources(config, overrides or [], more or [], workers=workers, parallel=how)
    check_workers(run_config, resources, "--workers")
    tracking = load_tracking(config, overrides or [], more or [])
    check_tracking(tracking, f"{config}: tracking")
    here = resources.workers == 1 and not resources.gpus_per_worker and address is None
    if not here:
        import ray  # noqa: F401  (its logger has handlers of its own, which `logged` takes off)
    bring(run_config.data, config, overrides, more, screen)
    with kept(out, Path("runs") / config.stem, screen) as place:
        folder = place.folder
        check_folder(folder, run_config, resume)
        with (
            logged(screen) as log,
            RunBar(screen, log, run_config) as bar,
            claimed(folder),
        ):
            check_folder(folder, run_config, resume)
            request = _request(str(config), run_config, tracking, place)
            with _watched(request, bar):
                if here:
                    _tell_start(request, bar)
                    result = run(request, bar)
                else:
                    result = _run_group(request, resources, address, bar)
        _show(result, folder, screen)
        if tracking.tensorboard:
            screen.result(f"curves: tensorboard --logdir {folder}")
    screen.finish(result | place.about())


def _request(config_place: str, config: Any, tracking: Any, place: Place) -> Any:
    """Prepare the data."""
    from dvr_ray.metrics import Catalogue
    from dvr_ray.tracking import Tracking
    from dvr_ray.training.build import check_served
    from dvr_ray.training.prepare import prepare
    from dvr_ray.training.run import RunRequest

    data, _ = prepare(config)
    check_served(config, Catalogue.of(data), config_place)
    where = Tracking(tracking, place.folder.name, place.folder.resolve())
    return RunRequest(config, data, place.folder, tracking=where, mirror=place.mirror)


def _watched(request: Any, bar: RunBar) -> AbstractContextManager[object]:
    """Have the bar show the run that learns the valuator first, where there is one."""
    from dvr_ray.training.following import Follower, Polling
    from dvr_ray.training.pretraining import FOLDER, pretrained

    if pretrained(request.config) is not True:
        return nullcontext()
    follower = Follower(request.folder / FOLDER)
    follower.fresh()  # told before, where it goes on

    def look() -> None:
        for row in follower.fresh():
            bar.report(row, run=FOLDER)

    return Polling(look)


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
    if "sent_mb" in result:
        screen.result(f"each worker sent {result['sent_mb'] / result['epoch']:.1f} MB an epoch")
    screen.result(f"results: {folder}; look at them: dvr-ray report {folder}")


def _run_group(request: Any, resources: Any, address: str | None, bar: RunBar) -> dict[str, Any]:
    """Train on a Ray Train group; a cluster that can't be had is refused before anything starts."""
    from dvr_ray.distributed.cluster import connect, disconnect
    from dvr_ray.distributed.group import WorkerGroups, run_on
    from dvr_ray.distributed.mailbox import Notice
    from dvr_ray.training.sharing import shared
    from dvr_ray.training.stored import finished

    connect(address, resources, bar.screen.verbose)
    try:
        _tell_start(request, bar)
        many = f" workers that share {shared(request.config, resources.parallel)}"
        workers = f"{resources.workers}{many if resources.workers > 1 else ' worker'}"
        bar.tell(Note(f"Ray is up; training on {workers}"))

        def warn(notice: Notice) -> None:
            bar.tell(Warned(str(notice)))

        folder = request.folder / ".ray-train"
        with WorkerGroups(request.data, resources, folder, warn, mirror=request.mirror) as groups:
            run_on(groups.mailbox, [request], bar)
        return finished(request.folder) or {}
    finally:
        disconnect()
