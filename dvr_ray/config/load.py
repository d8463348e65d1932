"""From a YAML file and ``--set`` overrides to checked, frozen configs, and back."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvr_ray.config.document import Document, document_text, write_document
from dvr_ray.config.extending import located, overridden, read_extended
from dvr_ray.config.overriding import SECTIONS, parsed, with_override
from dvr_ray.config.paths import get, put
from dvr_ray.config.schema import DataConfig, ResourcesConfig, RunConfig, Strict, TrackingConfig
from dvr_ray.config.searched import check_search
from dvr_ray.config.space import SearchSpace
from dvr_ray.config.study import Study
from dvr_ray.config.validation import checked
from dvr_ray.errors import ConfigError, nearest

__all__ = [
    "apply",
    "config_hash",
    "data_config",
    "data_place",
    "dump",
    "dumped",
    "get",
    "load_resources",
    "load_run",
    "load_space",
    "load_study",
    "load_tracking",
]

TRACKING = "tracking"


def load_run(path: Path, overrides: Sequence[str] = (), more: Sequence[Path] = ()) -> RunConfig:
    """Return a file's run config, or the ``run`` part of its search space.

    Parameters
    ----------
    path : Path
        YAML file, which may extend others. Its ``data.path`` is relative to the file's folder.
    overrides : sequence of str
        ``path=value``, as given to ``--set``; values are read as YAML. A ``data.path`` is relative
        to the current folder.
    more : sequence of Path
        Files that override the first one, each those before it.

    Raises
    ------
    ConfigError
        Naming file, line, field, value and the nearest right name.
    """
    document = read_extended(path, more)
    if _is_space(document):
        return _space(document, overrides).run
    for override in overrides:
        written, keys, value = parsed(override)
        if keys[0] != TRACKING:
            document = document.with_value(keys[1:] if keys[0] == "run" else keys, value, written)
    run = {name: value for name, value in document.content.items() if name != TRACKING}
    return checked(RunConfig, located(replace(document, content=run), (), Path.cwd()))


def data_place(path: Path, overrides: Sequence[str] = (), more: Sequence[Path] = ()) -> str:
    """Return ``file:line: data.path``, or the option that sets it, of a file that `load_run` reads.

    Parameters
    ----------
    path, overrides, more
        As for `load_run`.
    """
    document = read_extended(path, more)
    above = ("run",) if _is_space(document) else ()
    for override in overrides:
        written, keys, value = parsed(override)
        keys = (*above, *keys[1:]) if keys[0] == "run" else keys
        document = document.with_value(keys, value, written)
    return document.place((*above, "data", "path"))


def load_study(
    path: Path, overrides: Sequence[str] = (), more: Sequence[Path] = (), scale: str | None = None
) -> Study:
    """Return the study of a file.

    Parameters
    ----------
    path, overrides, more
        As for `load_run`; the path of an override may start with a section of the study.
    scale : str, optional
        Which of the file's scales overrides it, before ``overrides`` do.

    Raises
    ------
    ConfigError
        As `load_run`; if the file has no such scale.
    """
    document = read_extended(path, more)
    if scale is not None:
        document = _scaled(document, scale)
    for override in overrides:
        written, keys, value = parsed(override)
        if written.split(".")[0] in Study.model_fields:
            keys = tuple(written.split("."))
        document = document.with_value(keys, value, written)
    return checked(Study, located(document, ("run",), Path.cwd()))


def _scaled(document: Document, scale: str) -> Document:
    scales = document.content.get("scales")
    if not isinstance(scales, dict) or scale not in scales:
        rule = f"the study has no scale {scale!r}"
        mend = nearest(scale, scales) if isinstance(scales, dict) else "leave --scale out"
        raise ConfigError(f"{document.path}: scales", rule, mend)
    if not isinstance(scales[scale], dict):
        place = document.place(("scales", scale))
        raise ConfigError(place, f"must be a mapping, got {scales[scale]!r}", "e.g. seeds: [0]")
    return overridden(document, ("scales", scale))


def load_tracking(
    path: Path, overrides: Sequence[str] = (), more: Sequence[Path] = ()
) -> TrackingConfig:
    """Read the section ``tracking`` that may stand beside a run, in either kind of file.

    Parameters
    ----------
    path, overrides, more
        As for `load_run`.

    Returns
    -------
    TrackingConfig
        The default where there is none.

    Raises
    ------
    ConfigError
        As `load_run`.
    """
    document = read_extended(path, more)
    if _is_space(document):
        return _space(document, overrides).tracking
    for override in overrides:
        written, keys, value = parsed(override)
        if keys[0] == TRACKING:
            document = document.with_value(keys, value, written)
    alone = {name: value for name, value in document.content.items() if name == TRACKING}
    return checked(_Tracked, replace(document, content=alone)).tracking


def load_resources(
    path: Path, overrides: Sequence[str] = (), more: Sequence[Path] = (), **given: object
) -> ResourcesConfig:
    """Read what a search space gives each trial, or the default for another file; as `load_run`.

    ``given`` are fields that override it, None leaves them.
    """
    document = read_extended(path, more)
    fields = {name: value for name, value in given.items() if value is not None}
    if not _is_space(document):
        return ResourcesConfig.model_validate(fields)
    sets = [f"resources.{name}={value}" for name, value in fields.items()]
    return _space(document, [*overrides, *sets]).resources


def load_space(path: Path, overrides: Sequence[str] = (), more: Sequence[Path] = ()) -> SearchSpace:
    """Return the search space of a file.

    Parameters
    ----------
    path : Path
        YAML file with ``run``, ``search``, ``tune`` and ``resources``.
    overrides : sequence of str
        ``path=value``; the path starts with a section, or lies within ``run``. A searched field
        that is set, itself or with all of its section, is searched no longer: the user asked for
        that value. ``search.FIELD={...}`` searches a field, ``search.FIELD=null`` doesn't.
    more : sequence of Path
        Files that override the first one, each those before it.

    Raises
    ------
    ConfigError
        As `load_run`; also for ranges that reach illegal values, conditions in a circle, and a
        ``run`` value outside its own range.
    """
    return _space(read_extended(path, more), overrides)


def apply(run: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Return a run with some fields, by dotted path, set to other values and checked anew.

    Raises
    ------
    ConfigError
        Naming the field, its value and the rule.
    """
    content = run.model_dump(mode="json")
    for path, value in values.items():
        # A copy: a later path may write into it, and it is the caller's.
        put(content, path.split("."), copy.deepcopy(value), f"run: {path}")
    return checked(RunConfig, Document(Path("run"), content))


def data_config(source: str, path: Path | None, overrides: Sequence[str] = ()) -> DataConfig:
    """Return the config of a data set that no file configures.

    Parameters
    ----------
    source : str
        Name of the source.
    path : Path or None
        Its folder or file.
    overrides : sequence of str
        ``data.FIELD=value``, as given to ``--set``.

    Raises
    ------
    ConfigError
        If an override is no field of ``data``, or a value breaks a rule.
    """
    where = None if path is None else os.path.normpath(path.absolute())
    document = Document(Path("--set"), {"data": {"source": source, "path": where}})
    for override in overrides:
        written, keys, value = parsed(override)
        keys = keys[1:] if keys[0] == "run" else keys
        if keys[0] != "data":
            raise ConfigError("--set", f"must set a field of data, got {override!r}",
                              "e.g. data.core=5")  # fmt: skip
        document = document.with_value(keys, value, written)
    return checked(RunConfig, located(document, (), Path.cwd())).data


def dump(model: Strict, path: Path) -> None:
    """Write a config as YAML, at once or not at all; it loads to an equal config."""
    write_document(model.model_dump(mode="json", by_alias=True), path)


def dumped(model: Strict) -> str:
    """Return a config as YAML, all defaults written out; it loads to an equal config."""
    return document_text(model.model_dump(mode="json", by_alias=True))


def config_hash(run: RunConfig) -> str:
    """Return twelve hex digits that are equal for equal runs."""
    canonical = json.dumps(run.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class _Tracked(Strict):
    """What stands beside a run in a file without sections."""

    tracking: TrackingConfig = TrackingConfig()


def _is_space(document: Document) -> bool:
    """Whether a file has sections; one with a run's fields alone may have ``tracking`` too."""
    return any(name in document.content for name in SECTIONS if name != TRACKING)


def _space(document: Document, overrides: Sequence[str]) -> SearchSpace:
    if "run" not in document.content:
        if set(document.content) - set(SECTIONS):
            checked(SearchSpace, document)
        found = ", ".join(document.content) or "nothing"
        raise ConfigError(
            document.place(()), f"a search space needs a section `run`, got {found}",
            "put the run config below `run:`",
        )  # fmt: skip
    for override in overrides:
        document = with_override(document, override)
    document = located(document, ("run",), Path.cwd())
    space = checked(SearchSpace, document)
    check_search(space, document)
    return space
