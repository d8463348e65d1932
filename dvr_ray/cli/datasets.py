"""``dvr-ray data``: describe, convert, split."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dvr_ray.cli.options import AsJson, Overrides, Source
from dvr_ray.cli.places import bring, stored
from dvr_ray.cli.screen import Screen

if TYPE_CHECKING:
    from dvr_ray.data.describe import DatasetSummary
    from dvr_ray.data.interactions import Dataset

__all__ = ["convert_data", "describe_data", "split_data"]

SHOWN = 6

NewFolder = Annotated[Path, typer.Option("--out", "-o", help="New or empty folder.")]


def describe_data(
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            parser=stored,
            metavar="[PATH]",
            help="Folder or file of the data set; none for --source synthetic.",
        ),
    ] = None,
    source: Source = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Count users, items, rows and attributes of a data set, and what was left out.

    Example: dvr-ray data describe ../data/ml-100k --set data.min_rating=4
    """
    from dvr_ray.data.describe import describe

    screen = Screen(as_json)
    summary = describe(_load(path, source, overrides))
    screen.table(summary.name, ["", ""], _rows(summary))
    screen.finish(asdict(summary))


def convert_data(
    path: Annotated[
        Path, typer.Argument(parser=stored, metavar="PATH", help="Folder or file of the data set.")
    ],
    out: NewFolder,
    to: Annotated[str, typer.Option("--to", help="parquet, inter (RecBole) or lightgcn.")],
    source: Source = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write a data set in another format, as it is imported here: implicit, without repeats.

    Example: dvr-ray data convert ../data/ml-100k --to parquet --out data/ml-100k
    """
    from dvr_ray.data.export import convert

    screen = Screen(as_json)
    dataset = _load(path, source, overrides)
    convert(dataset, to, out)
    files = sorted(each.name for each in out.iterdir())
    rows = len(dataset.interactions) + (0 if dataset.test is None else len(dataset.test))
    screen.result(f"{rows} rows in {out}: {', '.join(files)}")
    screen.finish({"out": str(out), "rows": rows, "files": files})


def split_data(
    config: Annotated[Path, typer.Argument(help="YAML of a run or of a search space.")],
    out: NewFolder,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write the four parts of a run's data as Parquet, with hashes; data.source parts reads them.

    Example: dvr-ray data split search_spaces/quickstart.yaml --out data/split
    """
    from dvr_ray.config.load import load_run
    from dvr_ray.config.schema import NoiseConfig
    from dvr_ray.data.cache import load_dataset
    from dvr_ray.data.export import write_parts
    from dvr_ray.data.split import split

    screen = Screen(as_json)
    run = load_run(config, overrides or ())
    bring(run.data, config, overrides, None, screen)
    # Noise is planted by the run that reads the parts.
    data, test = split(load_dataset(run.data), run.split, NoiseConfig(), 0)
    about = {"fingerprint": data.fingerprint, "split": run.split.model_dump(mode="json")}
    write_parts(data, test, about, out)
    parts = {
        "train": data.train,
        "reward": data.reward,
        "selection": data.selection,
        "test": test.interactions,
    }
    rows = {name: len(part) for name, part in parts.items()}
    screen.table(str(out), ["part", "rows"], [[name, count] for name, count in rows.items()])
    screen.result(f"read it with data: {{source: parts, path: {out}}}")
    screen.finish({"out": str(out), "rows": rows})


def _load(path: Path | None, source: str | None, overrides: list[str] | None) -> Dataset:
    """Load a data set by its path, with fields of ``data`` set."""
    from dvr_ray.config.load import data_config
    from dvr_ray.data.cache import load_dataset
    from dvr_ray.data.guess import guess

    if source is None:
        source = "synthetic" if path is None else guess(path)
    return load_dataset(data_config(source, path, overrides or ()))


def _rows(summary: DatasetSummary) -> list[list[object]]:
    rows: list[list[object]] = [
        ["users", summary.users],
        ["items", summary.items],
        ["rows", summary.rows],
        ["test rows in a file of their own", summary.test_rows],
        ["reward and selection rows of a given split", summary.validation_rows],
        ["times", "yes" if summary.times else "no"],
        ["density", f"{summary.density:.5f}"],
        ["rows per user: least, median, most", "{:g}, {:g}, {:g}".format(*summary.per_user)],
        ["rows per item: least, median, most", "{:g}, {:g}, {:g}".format(*summary.per_item)],
        ["fingerprint", summary.fingerprint],
    ]
    rows += [[f"dropped or unknown: {reason}", count] for reason, count in summary.dropped.items()]
    for name, counts in summary.attributes.items():
        listed = [f"{value[:40]} {count}" for value, count in list(counts.items())[:SHOWN]]
        more = len(counts) - SHOWN
        rows.append([name, ", ".join(listed) + (f" and {more} more" if more > 0 else "")])
    return rows
