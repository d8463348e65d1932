"""``dvr-ray recommend``: lists of items for users, by a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dvr_ray.cli.options import AsJson, Run
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from dvr_ray.training.opened import OpenedRun

__all__ = ["recommend"]

ALL, LISTED, WIDTH = "all", 10, 40
ENDINGS = (".csv", ".parquet", ".jsonl")


def recommend(
    run: Run,
    users: Annotated[
        list[str],
        typer.Option("--users", metavar="ID|FILE|all", help="An id, a file of ids, all; repeat."),
    ],
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Length of the lists.")] = 20,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="FILE", help="FILE.csv, .parquet or .jsonl, whole."),
    ] = None,
    held_out_too: Annotated[
        bool,
        typer.Option(
            "--held-out-too", help="Validation and test items may come too, to measure the lists."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Recommend items to users by the best model of a finished run.

    Example: dvr-ray recommend runs/plays --users ann --users bo -k 20

    What a user has in the log isn't recommended. A file holds one id a line. Lists are re-ranked as
    the run says; scores are the model's, comparable within a user alone.
    """
    if out is not None and out.suffix not in ENDINGS:
        mend = f"name it FILE{', FILE'.join(ENDINGS)}"
        raise ConfigError("--out", f"must end in {', '.join(ENDINGS)}, got {out}", mend)
    from dvr_ray.training.opened import open_run
    from dvr_ray.training.recommending import recommend as lists_of

    screen = Screen(as_json)
    opened = open_run(run)
    chosen = _chosen(opened, users)
    found = lists_of(opened, chosen, k, held_out_too=held_out_too)
    if out is None:
        _show(found, screen)
        screen.finish({"users": len(chosen), "rows": len(found), "lists": _nested(found)})
        return
    _write(found, out)
    screen.result(f"{len(found):,} rows for {len(chosen):,} users: {out}")
    screen.finish({"users": len(chosen), "rows": len(found), "out": str(out)})


def _chosen(run: OpenedRun, given: list[str]) -> np.ndarray:
    """Numbers of the users that were asked for, each once, in the order in which they were.

    A word that is an id of the run is that id, even where a file has the same name.
    """
    import numpy as np
    import pyarrow as pa

    from dvr_ray.training.recommending import known_numbers

    ids = run.catalogue.users

    numbers = []
    for word in given:
        if word == ALL:
            numbers.append(np.arange(len(run.catalogue.users)))
        elif ids.numbers(pa.array([word]))[0] < 0 and Path(word).is_file():
            lines = Path(word).read_text(encoding="utf-8", errors="replace").splitlines()
            numbers.append(known_numbers(run, "user", [line for line in lines if line], word))
        else:
            numbers.append(known_numbers(run, "user", [word], "--users"))
    every = np.concatenate(numbers)
    if not len(every):
        raise ConfigError("--users", "must name users, got an empty file", "write one id a line")
    first = np.unique(every, return_index=True)[1]
    return every[np.sort(first)]


def _write(found: pd.DataFrame, path: Path) -> None:
    """Write the whole table, by the ending of its name."""
    from dvr_ray.files import placed

    path.parent.mkdir(parents=True, exist_ok=True)
    with placed(path) as temporary:
        if path.suffix == ".csv":
            found.to_csv(temporary, index=False, lineterminator="\n")
        elif path.suffix == ".parquet":
            found.to_parquet(temporary, index=False)
        else:
            found.to_json(temporary, orient="records", lines=True, force_ascii=False)


def _show(found: pd.DataFrame, screen: Screen) -> None:
    """Print the lists of the first few users."""
    names = [name for name in found if str(name).startswith("item.")]
    groups = list(found.groupby("user", sort=False))
    for user, own in groups[:LISTED]:
        rows = [
            [str(row["rank"]), str(row["item"]), f"{row['score']:.3f}",
             *(_cut(row[name]) for name in names)]
            for row in own.to_dict("records")
        ]  # fmt: skip
        columns = ["rank", "item", "score", *(str(n).removeprefix("item.") for n in names)]
        screen.table(f"user {user}", columns, rows)
    if len(groups) > LISTED:
        screen.result(f"and {len(groups) - LISTED:,} users more; --out FILE.csv has all of them")


def _cut(text: str | None) -> str:
    """Write an attribute; an item may have hundreds of tags, which files have all of."""
    if text is None:
        return "-"
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _nested(found: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry a user, for programs."""
    rest = [name for name in found if name != "user"]
    return [
        {"user": _plain(user), "items": [
            {str(name): _plain(value) for name, value in row.items()}
            for row in own[rest].to_dict("records")
        ]}
        for user, own in found.groupby("user", sort=False)
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
