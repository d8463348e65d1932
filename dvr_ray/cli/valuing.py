"""``dvr-ray values``: values of a whole log; ``dvr-ray prune``: the log without its worst."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dvr_ray.cli.logs import logged
from dvr_ray.cli.options import (
    Address,
    AsJson,
    Overrides,
    Quiet,
    Resume,
    Run,
    Source,
    Verbose,
    Workers,
)
from dvr_ray.cli.places import kept, stored
from dvr_ray.cli.screen import Screen
from dvr_ray.cli.stagebar import StageBar
from dvr_ray.errors import ConfigError
from dvr_ray.events import Note
from dvr_ray.files import claimed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dvr_ray.config.schema import DataConfig
    from dvr_ray.inference.choosing import Rule
    from dvr_ray.inference.job import Valuation
    from dvr_ray.inference.pruning import Pruned
    from dvr_ray.training.opened import OpenedRun

__all__ = ["prune", "values"]

SHOWN = 5


def values(
    run: Run,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR|URI", help="Folder of the values.")
    ],
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--data", parser=stored, metavar="PATH",
                     help="Another log of the same users and items; by default the rows that the "
                          "run trained on."),
    ] = None,
    source: Source = None,
    overrides: Overrides = None,
    workers: Workers = None,
    passes: Annotated[
        int, typer.Option("--passes", min=1, help="Random partitions that values are the mean of.")
    ] = 4,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out rows of users and items that the run "
                                                  "doesn't know, instead of refusing the log.")
    ] = False,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:  # fmt: skip
    """Value every interaction of a log by a trained run, on as many workers as there are.

    Example: dvr-ray values runs/quickstart --out values

    The folder gets part-*.parquet, a row per interaction (user, item, value, standard_error,
    probability, mean_loss, rank), and values.json, written last. What is there is never redone.
    """
    from dvr_ray.inference.job import Valuation
    from dvr_ray.inference.reading import FilesLog, TrainingLog
    from dvr_ray.training.opened import open_run

    screen = Screen(as_json, quiet, verbose)
    opened = open_run(run)
    if data is None:
        log: TrainingLog | FilesLog = TrainingLog(opened)
        if source or overrides or skip_unknown:
            raise ConfigError(
                "--data", "none given, so that --source, --set and --skip-unknown do nothing",
                "give the log by --data, or leave them out",
            )  # fmt: skip
    else:
        config = _data(opened, data, source, overrides or [])
        log = FilesLog(config, opened.catalogue, skip_unknown)
    if (workers and workers > 1) or address:
        import ray  # noqa: F401  (its logger has handlers of its own, which `logged` takes off)
    with kept(out, Path(), screen) as place:
        folder = place.folder
        wanted = Valuation(opened, log, folder, passes)
        wanted.check()
        _check_resumed(wanted, resume)
        with logged(screen) as text, claimed(folder), StageBar(screen, text, folder) as bar:
            bar.tell(Note(f"valuing with {run}; results go to {folder}"))
            with _engine(workers or 1, address, bar) as engine:
                found = _valued(wanted, engine, bar)
        _show(found, folder, screen)
    screen.finish(found | place.about())


def _data(opened: OpenedRun, path: Path, source: str | None, overrides: list[str]) -> DataConfig:
    """Return how the log is read: as the run read its own, where it is of the same source."""
    from dvr_ray.config.load import data_config
    from dvr_ray.data.guess import guess

    own = opened.config.data
    name = source or guess(path)
    wanted = data_config(name, path, overrides)
    if name != own.source:
        return wanted
    said = {each.partition("=")[0].removeprefix("run.").split(".")[1] for each in overrides}
    same = {field: getattr(own, field) for field in ("columns", "min_rating") if field not in said}
    return wanted.model_copy(update=same)


def _check_resumed(wanted: Valuation, resume: bool) -> None:
    """Refuse a folder that holds something, unless it holds these values and is to be resumed."""
    from dvr_ray.inference.job import check_values_folder, stored_identity

    check_values_folder(wanted.out, wanted.identity(wanted.log.about))
    if stored_identity(wanted.out) is not None and not resume:
        raise ConfigError(
            str(wanted.out), "holds these values already, or a part of them",
            "add --resume or use another --out",
        )  # fmt: skip


@contextmanager
def _engine(workers: int, address: str | None, bar: StageBar) -> Iterator[Any]:
    """Run stages here, or on a pool of actors."""
    from dvr_ray.inference.work import InProcess

    if workers == 1 and address is None:
        yield InProcess()
        return
    from dvr_ray.config.schema import ResourcesConfig
    from dvr_ray.distributed.batches import ActorPool
    from dvr_ray.distributed.cluster import connect, disconnect

    connect(address, ResourcesConfig(workers=workers), bar.screen.verbose)
    try:
        bar.tell(Note(f"Ray is up; {workers} workers"))
        yield ActorPool(workers, verbose=bar.screen.verbose)
    finally:
        disconnect()


def _valued(wanted: Valuation, engine: Any, bar: StageBar) -> dict[str, Any]:
    from dvr_ray.inference.job import value_log

    return value_log(wanted, engine, bar.stage)


def _show(found: dict[str, Any], out: Path, screen: Screen) -> None:
    """Print what was valued, who is valued least, and where it is."""
    rate = found["rows"] / max(found["seconds"], 1e-3)
    rows = [
        ["interactions", f"{found['rows']:,}"], ["users", f"{found['users']:,}"],
        ["items", f"{found['items']:,}"], ["seconds", f"{found['seconds']:.1f}"],
        ["interactions a second", f"{rate:,.0f}"],
    ]  # fmt: skip
    rows += [[f"left out: {reason}", f"{count:,}"] for reason, count in found["dropped"].items()]
    screen.table("values", ["", ""], rows)
    for kind in ("user", "item"):
        lowest = [
            [each[kind], each["rows"], f"{each['value']:.4f}"] for each in found[f"lowest_{kind}s"]
        ]
        if lowest:
            screen.table(f"least valued {kind}s", [kind, "rows", "mean value"], lowest)
    screen.result(
        f"values: {out} ({found['parts']} files); drop the lowest: dvr-ray prune {out} "
        "--drop-lowest 10% --out FILE"
    )


def prune(
    folder: Annotated[
        Path, typer.Argument(metavar="VALUES", parser=stored, help="Folder of dvr-ray values.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The new log; ends as the old one. "
                           "A folder for a log in several files.")
    ],
    drop_lowest: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--drop-lowest", metavar="SHARE", help="Drop the rows of lowest value: 10%."),
    ] = None,
    keep_rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--keep-rate", metavar="RATE", help="Draw rows by their probability, moved so "
                     "that this share is kept."),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Keep all rows and add their probability as a column.")
    ] = False,
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--data", parser=stored, metavar="PATH",
                     help="The log, if it isn't where it was valued any longer."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of --keep-rate's draws.")] = 0,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write a log without its least valued rows, or with weights, in the format that it came in.

    Example: dvr-ray prune values --drop-lowest 10% --out cleaned.csv

    Rows without a value, such as those that the run held out, are kept.
    """
    from dvr_ray.inference.pruning import prune as write

    screen = Screen(as_json)
    rule = _rule(drop_lowest, keep_rate, weights, seed)
    done = write(folder, rule, out, data)
    _show_pruned(done, screen)
    screen.finish({
        "out": str(out), "files": [str(path) for path in done.files], "rows": done.rows,
        "kept": done.kept, "unvalued": done.unvalued, "emptied_users": len(done.users),
        "emptied_items": len(done.items),
    })  # fmt: skip


def _rule(drop_lowest: str | None, keep_rate: float | None, weights: bool, seed: int) -> Rule:
    """Check that one rule is given, and that it can be."""
    from dvr_ray.inference.choosing import Rule

    given = [drop_lowest is not None, keep_rate is not None, weights]
    if sum(given) != 1:
        raise ConfigError(
            "prune", f"needs one of --drop-lowest, --keep-rate and --weights, got {sum(given)}",
            "e.g. --drop-lowest 10%",
        )  # fmt: skip
    if keep_rate is not None and not 0 < keep_rate < 1:
        raise ConfigError("--keep-rate", f"must lie between 0 and 1, got {keep_rate:g}", "e.g. .8")
    lowest = None if drop_lowest is None else _share(drop_lowest)
    return Rule(lowest, keep_rate, weights, seed)


def _share(text: str) -> float:
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(%?)", text.strip())
    share = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 < share < 1:
        raise ConfigError(
            "--drop-lowest", f"must be a share between 0 and 1, or 0% and 100%, got {text!r}",
            "e.g. 10%",
        )  # fmt: skip
    return share


def _show_pruned(done: Pruned, screen: Screen) -> None:
    rows = [
        ["rows", f"{done.rows:,}"], ["kept", f"{done.kept:,}"],
        ["dropped", f"{done.rows - done.kept:,}"],
        ["kept without a value", f"{done.unvalued:,}"],
    ]  # fmt: skip
    screen.table("pruned", ["", ""], rows)
    for kind, lost in (("users", done.users), ("items", done.items)):
        if lost:
            listed = ", ".join(str(each) for each in lost[:SHOWN])
            more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            screen.warn(f"{len(lost)} {kind} lost all of their valued rows: {listed}{more}")
    screen.result(f"log: {', '.join(str(path) for path in done.files)}")
