"""``dvr-ray report`` and ``data describe``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvr_ray.cli.options import AsJson
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import ConfigError

__all__ = ["describe_data", "report"]

GUESSED = {"train.txt": "lightgcn", "data1.txt": "hetrec"}


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Folder of a sweep or a run; or of several sweeps."),
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The page, FILE.html; its numbers go to FILE.json. By default DIR/report.html and "
            "DIR/summary.json; of several sweeps comparison.html beside the first DIR.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained page from stored results, and its numbers as JSON beside it.

    Example: dvr-ray report runs/quickstart

    Several sweeps are shown side by side, differences are taken against the first, as in dvr-ray
    report runs/before runs/after. Nothing is trained and no test part is looked at.
    """
    from dvr_ray.reports.page import write_comparison, write_report

    if out is not None and out.suffix != ".html":
        mend = "name a page FILE.html; its numbers go to FILE.json"
        raise ConfigError("--out", f"must end in .html, got {out}", mend)
    screen = Screen(as_json)
    page = write_report(folders[0], out) if len(folders) == 1 else write_comparison(folders, out)
    screen.result(f"report: {page}")
    screen.json({"report": str(page)})


def describe_data(
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="Folder of the data set; none for --source synthetic."),
    ] = None,
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--source", help="lightgcn, hetrec or synthetic; guessed from the files."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count users, items, rows and attributes of a data set.

    Example: dvr-ray data describe ../data/gowalla
    """
    from dvr_ray.config.schema import DataConfig
    from dvr_ray.data.cache import load_dataset
    from dvr_ray.data.describe import describe

    screen = Screen(as_json)
    where = None if path is None else str(path.resolve())
    summary = describe(load_dataset(DataConfig(source=source or _guess(path), path=where)))
    rows: list[list[object]] = [
        ["users", summary.users],
        ["items", summary.items],
        ["rows", summary.rows],
        ["test rows in a file of their own", summary.test_rows],
        ["density", f"{summary.density:.5f}"],
        ["rows per user: least, median, most", "{:g}, {:g}, {:g}".format(*summary.per_user)],
        ["rows per item: least, median, most", "{:g}, {:g}, {:g}".format(*summary.per_item)],
        ["fingerprint", summary.fingerprint],
    ]
    for name, counts in summary.attributes.items():
        largest = sorted(counts.items(), key=lambda pair: -pair[1])[:6]
        rows.append([name, ", ".join(f"{value} {count}" for value, count in largest)])
    screen.table(summary.name, ["", ""], rows)
    screen.json(asdict(summary))


def _guess(path: Path | None) -> str:
    """Tell a source from the files of a folder."""
    if path is None:
        return "synthetic"
    for name, source in GUESSED.items():
        if (path / name).is_file():
            return source
    raise ConfigError(
        str(path),
        f"holds none of {', '.join(GUESSED)}" if path.is_dir() else "no such folder",
        "check the path or give --source",
    )
