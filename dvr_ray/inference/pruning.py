"""A log without its least valued rows, or with weights, in the format that it came in.

Lines and columns stay as they are; rows without a value, such as held-out ones of a run's own log,
are kept. Takes about 16 bytes an interaction while the files are read in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dvr_ray.config.load import load_run
from dvr_ray.config.schema import DataConfig
from dvr_ray.data.catalogue import KnownCatalogue
from dvr_ray.data.export import convert
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.reading.files import bare_name
from dvr_ray.data.reading.pieces import LogFile
from dvr_ray.data.sources import SOURCES
from dvr_ray.data.sources.source import FileSource, LogSource
from dvr_ray.errors import CheckpointError, ConfigError, DataError
from dvr_ray.files import placed
from dvr_ray.inference.choosing import Chosen, Rule
from dvr_ray.inference.job import MANIFEST, read_manifest
from dvr_ray.inference.matching import numbers_of
from dvr_ray.inference.ranking import identity_of, part_name

__all__ = ["Pruned", "prune"]

WEIGHT = "weight"


@dataclass(frozen=True)
class Pruned:
    """What was written.

    Parameters
    ----------
    files : list of Path
        Where.
    rows, kept, unvalued : int
        Rows that were read, rows that were written, and those among them without a value.
    users, items : list
        Ids of those who had valued rows and have none left.
    """

    files: list[Path]
    rows: int
    kept: int
    unvalued: int
    users: list[Any]
    items: list[Any]


def prune(folder: Path, rule: Rule, out: Path, data: Path | None = None) -> Pruned:
    """Write a log again by its values.

    Parameters
    ----------
    folder : Path
        Of ``dvr-ray values``.
    rule : Rule
        Which rows go.
    out : Path
        New file; a new folder for a log in several files, or in a format without lines of rows.
    data : Path, optional
        The log, where it isn't any longer where it was valued.

    Returns
    -------
    Pruned
        Where it is, and how much of it.

    Raises
    ------
    CheckpointError
        If there are no complete values, or they are damaged.
    DataError
        If the log isn't the one that was valued, or can't be read.
    ConfigError
        If the file can't be that.
    """
    manifest = _manifest(folder)
    run = Path(manifest["run"])
    known = _catalogue(run, manifest)
    chosen = Chosen.of(folder, manifest, rule, len(known.items))
    if out.exists():
        raise ConfigError("--out", f"is there already: {out}", "give another name")
    out.parent.mkdir(parents=True, exist_ok=True)
    source = _source(manifest, run, data)
    if source is None:
        return _written_anew(chosen, known, rule, out)
    files = source.log_files() if isinstance(source, LogSource) else None
    if files is None:
        return _converted(source, chosen, known, rule, out)
    return _written(files, source, chosen, known, rule, out)


def _manifest(folder: Path) -> dict[str, Any]:
    found = read_manifest(folder)
    if found is None:
        raise CheckpointError(
            str(folder), f"must be a folder of complete values, with {MANIFEST}",
            "make it by dvr-ray values, or complete it by the same command with --resume",
        )  # fmt: skip
    for number in range(found["parts"]):
        path = folder / part_name(number)
        identity = identity_of(path)
        if identity != found["identity"]:
            rule = "is of another valuation" if identity else "must be a whole Parquet file"
            raise CheckpointError(
                str(path), rule, "mend it by the same dvr-ray values with --resume"
            )
    return found


def _catalogue(run: Path, manifest: dict[str, Any]) -> KnownCatalogue:
    if not run.is_dir():
        raise CheckpointError(
            str(run), "the run that valued the log isn't there any longer", "put it back"
        )
    return KnownCatalogue.read(run)


def _source(manifest: dict[str, Any], run: Path, data: Path | None) -> FileSource | None:
    """Return what reads the log, None where it was generated."""
    stored = manifest["data"]
    config = load_run(run / "config.yaml").data if stored is None else DataConfig(**stored)
    if data is not None:
        config = config.model_copy(update={"path": str(data)})
    source = SOURCES.get(config.source)(config)
    if not isinstance(source, FileSource):
        return None
    if stored is not None and source.fingerprint() != manifest["log"]["fingerprint"]:
        raise DataError(
            str(source.folder), "isn't the log that was valued: its content is another",
            "value it by dvr-ray values, or give the log that was by --data",
        )  # fmt: skip
    return source


def _written(
    files: list[LogFile],
    source: FileSource,
    chosen: Chosen,
    known: KnownCatalogue,
    rule: Rule,
    out: Path,
) -> Pruned:
    """Write files of rows again: one file, or a folder of several with the same names."""
    if len(files) == 1:
        targets = [out]
        _check_ending(files[0].path, out)
    else:
        out.mkdir()
        targets = [out / file.path.name for file in files]
    rows = kept_rows = unvalued = 0
    weight = WEIGHT if rule.weights else None
    for file, target in zip(files, targets, strict=True):
        with file.writer(target, weight) as writer:
            for piece in file.pieces():
                kept, weights, valued = chosen.look_up(*numbers_of(known, piece.rows))
                writer.write(piece, kept, weights if rule.weights else None)
                rows += len(kept)
                kept_rows += int(kept.sum())
                unvalued += int((~valued).sum())
    return Pruned(targets, rows, kept_rows, unvalued, *chosen.emptied(known))


def _check_ending(path: Path, out: Path) -> None:
    ending = Path(bare_name(path)).suffix
    if Path(bare_name(out)).suffix.lower() != ending.lower():
        raise ConfigError(
            "--out", f"must end in {ending}, as the log does ({path.name}), got {out.name}",
            f"name it {Path(bare_name(out)).with_suffix(ending).name}",
        )  # fmt: skip


def _converted(
    source: FileSource, chosen: Chosen, known: KnownCatalogue, rule: Rule, out: Path
) -> Pruned:
    """Write a log that was read as a whole: LightGCN's text as such, others as Parquet."""
    if rule.weights:
        raise ConfigError(
            "--weights", f"needs a log with a row per interaction, got source "
            f"{source.config.source}", "convert the log by dvr-ray data convert, and value that",
        )  # fmt: skip
    dataset = source.load()
    parts: dict[str, Any] = {}
    rows = kept_rows = unvalued = 0
    for name in ("interactions", "test", "reward", "selection"):
        part: Interactions | None = getattr(dataset, name)
        if part is not None:
            users, items = _numbers(dataset, part, known)
            kept, _, valued = chosen.look_up(users, items)
            parts[name] = Interactions(
                part.users[kept], part.items[kept], part.num_users, part.num_items
            )
            rows, kept_rows = rows + len(kept), kept_rows + int(kept.sum())
            unvalued += int((~valued).sum())
            if name == "interactions" and dataset.times is not None:
                dataset = replace(dataset, times=dataset.times[kept])
    form = "lightgcn" if source.config.source == "lightgcn" else "parquet"
    convert(replace(dataset, **parts), form, out)
    return Pruned(sorted(out.iterdir()), rows, kept_rows, unvalued, *chosen.emptied(known))


def _numbers(
    dataset: Dataset, part: Interactions, known: KnownCatalogue
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a part's rows in the run, -1 where they aren't known."""
    kind = pa.int64() if dataset.user_ids.dtype.kind == "i" else pa.string()
    users = known.users.numbers(pa.array(dataset.user_ids, kind))[part.users]
    kind = pa.int64() if dataset.item_ids.dtype.kind == "i" else pa.string()
    return users, known.items.numbers(pa.array(dataset.item_ids, kind))[part.items]


def _written_anew(chosen: Chosen, known: KnownCatalogue, rule: Rule, out: Path) -> Pruned:
    """Write the rows of a log that was never in files: user and item, as Parquet or text."""
    columns = {
        "user": known.users.take(chosen.keys[chosen.kept] // chosen.num_items),
        "item": known.items.take(chosen.keys[chosen.kept] % chosen.num_items),
    } | ({WEIGHT: pa.array(chosen.weights[chosen.kept])} if rule.weights else {})
    table = pa.table(columns)
    with placed(out) as temporary:
        if out.suffix == ".parquet":
            parquet.write_table(table, temporary)
        elif out.suffix in (".csv", ".tsv"):
            from pyarrow import csv

            separator = "," if out.suffix == ".csv" else "\t"
            csv.write_csv(table, temporary, csv.WriteOptions(delimiter=separator))
        else:
            raise ConfigError(
                "--out", f"must end in .csv, .tsv or .parquet for a generated log, got {out.name}",
                "rename it",
            )  # fmt: skip
    return Pruned([out], len(chosen.keys), len(table), 0, *chosen.emptied(known))
