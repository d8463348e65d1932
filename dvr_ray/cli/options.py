"""Options that several verbs share, each described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvr_ray.cli.places import stored

__all__ = [
    "Address",
    "AsJson",
    "More",
    "Out",
    "Overrides",
    "Parallel",
    "Quiet",
    "Resume",
    "Run",
    "Source",
    "Verbose",
    "Workers",
]


class Shared(StrEnum):
    """What workers share, as `ResourcesConfig.parallel`."""

    batches = "batches"
    masks = "masks"


Out = Annotated[
    Optional[str],  # noqa: UP045  (typer reads it at run time)
    typer.Option(
        "--out",
        "-o",
        metavar="DIR|URI",
        help="Folder of results, or s3://, gs://; by default below runs/.",
    ),
]
Run = Annotated[
    Path, typer.Argument(metavar="RUN", parser=stored, help="Folder of a finished run, or its URI.")
]
Overrides = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="PATH=VALUE", help="Set a field, e.g. training.lr=1e-3; repeat."),
]
More = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option("--with", metavar="FILE", help="A YAML file that overrides the first; repeat."),
]
Source = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--source", help="Name of the source; guessed from the files."),
]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--workers", "-w", min=1, help="Workers that share a trial."),
]
Parallel = Annotated[
    Optional[Shared],  # noqa: UP045
    typer.Option(
        "--parallel", help="What workers share: every batch (default), or the masks of a horizon."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what the folder holds; nothing is redone.")
]
Address = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--address", help="Ray cluster: auto or host:port; by default one starts here."),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print events on stdout, one JSON object a line; result last."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show only the result (and errors); see log.txt.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show debugging messages, and Ray's own.")
]
