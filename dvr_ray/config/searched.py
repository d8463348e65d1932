"""Checks of a search space's ``search`` section against the rules of a run.

A range is wrong when the run's own models refuse one of its values: its corners are set in the
run and the run is validated. A rule that joins several fields is checked with the others at the
run's values, or at those that ``when`` asks for; so two searched fields can still meet in a
combination that is refused, and that trial fails with the same message.
"""

from __future__ import annotations

from typing import Any

import pydantic

from dvr_ray.config.document import Document
from dvr_ray.config.paths import MISSING, changed, check_path, put
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.config.validation import Complaint, complaint, shown
from dvr_ray.errors import ConfigError

__all__ = ["check_search"]

ONCE = ("data", "split")


def check_search(space: SearchSpace, document: Document) -> None:
    """Check every searched field: path, condition, corners, and the run's own value.

    Raises
    ------
    ConfigError
        At the field's line.
    """
    for name, distribution in space.search.items():
        _check_field(name, document.place(("search", name)))
        for path, wanted in distribution.when.items():
            _check_condition(space, path, wanted, document.place(("search", name, "when", path)))
    space.order(document.place(("search",)))
    for name in space.search:
        _check_corners(space, name, document.place(("search", name)))
    _check_plain_run(space, document)


def _check_field(name: str, place: str) -> None:
    check_path(name, place)
    section = name.partition(".")[0]
    if section in ONCE:
        rule = f"can't be searched: {section} is prepared once for all trials"
        raise ConfigError(place, rule, f"set run.{name} and make a sweep for each value")


def _check_condition(space: SearchSpace, path: str, wanted: Any, place: str) -> None:
    check_path(path, place)
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values:
        raise ConfigError(place, "must name a value, got []", "remove it or give one")
    for value in values:
        found = _refusal(space.run, {path: value})
        if found is not None and not found.across:
            raise ConfigError(place, f"{found.rule}{found.got}", found.mend)
        searched = space.search.get(path)
        if searched is not None and not searched.contains(value):
            rule = f"must lie in {path}'s {searched.described}, got {shown(value)}"
            raise ConfigError(place, rule, "change one of them")


def _check_corners(space: SearchSpace, name: str, place: str) -> None:
    distribution = space.search[name]
    for values in space.corner_points(name):
        found = _refusal(space.run, values)
        if found is not None:
            rule = f"{distribution.described} reaches {shown(values[name])}, {found.rule}"
            mend = found.mend if distribution.choice else "narrow the range"
            raise ConfigError(place, rule, f"{mend}, or add a `when`" if found.across else mend)


def _check_plain_run(space: SearchSpace, document: Document) -> None:
    for name, value in space.plain_point().items():
        if value is MISSING:
            rule = f"run.{name} isn't given, but trial 0 is the plain run"
            raise ConfigError(document.place(("search", name)), rule, f"write run.{name}")
        if not space.search[name].contains(value):
            rule = f"must lie in its own {space.search[name].described}, got {shown(value)}"
            place = document.place(("run", *name.split(".")))
            raise ConfigError(place, rule, "change one of them: trial 0 is the plain run")


def _refusal(run: RunConfig, values: dict[str, Any]) -> Complaint | None:
    """Pydantic's complaint about a run with some values set; None when it is legal."""
    try:
        changed(run, values)
    except pydantic.ValidationError as error:
        content = run.model_dump(mode="json")
        for path, value in values.items():
            put(content, path.split("."), value, path)
        return complaint(error, RunConfig, content)
    return None
