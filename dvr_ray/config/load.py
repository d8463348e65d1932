"""From a YAML file and ``--set`` overrides to checked, frozen configs, and back."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from dvr_ray.config.document import Document, parse_value, read_document, write_document
from dvr_ray.config.schema import RunConfig, Strict
from dvr_ray.config.space import Distribution, SearchSpace
from dvr_ray.config.validation import explain, known_fields
from dvr_ray.errors import ConfigError, nearest

__all__ = ["apply", "config_hash", "dump", "field", "load_run", "load_space"]

ModelT = TypeVar("ModelT", bound=Strict)
SECTIONS = ("run", "search", "tune", "resources", "name")


def load_run(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run config, or the ``run`` part of a search space.

    Parameters
    ----------
    path : Path
        YAML file.
    overrides : sequence of str
        ``path=value``, as given to ``--set``; values are read as YAML.

    Raises
    ------
    ConfigError
        Naming file, line, field, value and the nearest right name.
    """
    document = read_document(path)
    if "run" in document.content:
        return load_space(path, overrides).run
    content, chosen = _overridden(document, overrides, prefix=())
    _absolute_path(content, document, chosen)
    return _checked(RunConfig, content, document, chosen)


def load_space(path: Path, overrides: Sequence[str] = ()) -> SearchSpace:
    """Read a search space.

    An override of a searched field fixes it: the field is searched no longer.

    Parameters
    ----------
    path : Path
        YAML file with ``run``, ``search``, ``tune`` and ``resources``.
    overrides : sequence of str
        ``path=value``; the path starts with one of these sections, or lies within ``run``.

    Raises
    ------
    ConfigError
        As `load_run`; also for ranges that reach illegal values, and a ``run`` value outside its
        own range.
    """
    document = read_document(path)
    if "run" not in document.content:
        found = ", ".join(document.content) or "nothing"
        raise ConfigError(
            str(path), f"a search space needs a section `run`, got {found}",
            "put the run config below `run:`",
        )
    content, chosen = _overridden(document, overrides, prefix=("run",))
    for fixed in chosen:
        if fixed[0] == "run":
            (content.get("search") or {}).pop(".".join(map(str, fixed[1:])), None)
    run = content.get("run")
    if isinstance(run, dict):
        _absolute_path(run, document, {keys[1:] for keys in chosen})
    space = _checked(SearchSpace, content, document, chosen)
    for name, distribution in space.search.items():
        _check_search(space, name, distribution, document)
    return space


def field(run: RunConfig, path: str) -> Any:
    """Return a field by its dotted path.

    Raises
    ------
    KeyError
        If there is none.
    """
    node: Any = run.model_dump()
    for key in path.split("."):
        node = node[key]
    return node


def apply(run: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Return a run with some fields, by dotted path, set to other values, checked anew."""
    content = run.model_dump()
    for path, value in values.items():
        _put(content, tuple(path.split(".")), value)
    return RunConfig.model_validate_json(_json(content))


def dump(model: Strict, path: Path) -> None:
    """Write a config as YAML that loads to an equal one."""
    write_document(json.loads(model.model_dump_json(by_alias=True, exclude_none=True)), path)


def config_hash(run: RunConfig) -> str:
    """Twelve hex digits that are equal for equal runs."""
    canonical = json.dumps(run.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _checked(
    model: type[ModelT],
    content: dict[str, Any],
    document: Document,
    chosen: set[tuple[str | int, ...]],
) -> ModelT:
    try:
        return model.model_validate_json(_json(content))
    except pydantic.ValidationError as error:
        raise explain(error, model, document, chosen) from error


def _json(content: dict[str, Any]) -> str:
    # Strict models take a list for a tuple only from JSON; a string is never a number there.
    return json.dumps(content, default=str)


def _overridden(
    document: Document, overrides: Sequence[str], prefix: tuple[str, ...]
) -> tuple[dict[str, Any], set[tuple[str | int, ...]]]:
    """Apply overrides to a copy; also return their paths."""
    content = copy.deepcopy(document.content)
    chosen: set[tuple[str | int, ...]] = set()
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise ConfigError("--set", f"must be path=value, got {override!r}", "e.g. training.lr=1e-3")
        keys = tuple(path.strip().split("."))
        if prefix and keys[0] not in SECTIONS:
            keys = (*prefix, *keys)
        value = parse_value(text, f"--set {path}")
        if keys[-2:] == ("data", "path") and isinstance(value, str):
            value = str(Path(value).resolve())
        _put(content, keys, value)
        chosen.add(keys)
    return content, chosen


def _put(content: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    node = content
    for key in keys[:-1]:
        inner = node.get(key)
        if not isinstance(inner, dict):
            inner = node[key] = {}
        node = inner
    node[keys[-1]] = value


def _absolute_path(
    run: dict[str, Any], document: Document, chosen: set[tuple[str | int, ...]]
) -> None:
    """Resolve ``data.path`` against the file's folder; overrides were resolved already."""
    data = run.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str):
        data["path"] = str((document.path.parent / data["path"]).resolve())


def _check_search(
    space: SearchSpace, name: str, distribution: Distribution, document: Document
) -> None:
    """Check path, corners, condition and the run's own value of one searched field."""
    place = document.place(("search", name))
    _check_path(name, place)
    for path in distribution.when:
        _check_path(path, place)
        if path not in space.search and not _has(space.run, path):
            raise ConfigError(place, f"`when` names unknown field {path!r}", "check its path")
    for corner in distribution.corners:
        try:
            apply(space.run, {name: corner})
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            if first["type"] == "value_error" and not first["loc"][-1:] == (name.split(".")[-1],):
                continue
            raise ConfigError(
                place,
                f"range {distribution.described()} reaches {corner}: {first['msg']}",
                "narrow the range",
            ) from error
    if not _has(space.run, name):
        return
    value = field(space.run, name)
    if _holds(space.run, distribution.when) and not distribution.contains(_listed(value)):
        raise ConfigError(
            place,
            f"run.{name} must lie in its own range {distribution.described()}, got {value}",
            "change one of them; trial 0 is always the plain run",
        )


def _check_path(path: str, place: str) -> None:
    known = known_fields(RunConfig)
    family, _, rest = path.partition(".")
    if path in known or (family in ("backbone", "negatives", "method") and rest):
        return
    raise ConfigError(place, f"unknown field {path!r}", nearest(path, known))


def _has(run: RunConfig, path: str) -> bool:
    try:
        field(run, path)
    except (KeyError, TypeError):
        return False
    return True


def _holds(run: RunConfig, when: Mapping[str, Any]) -> bool:
    return all(
        not _has(run, path)
        or field(run, path) in (wanted if isinstance(wanted, list) else [wanted])
        for path, wanted in when.items()
    )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
