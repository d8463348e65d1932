"""numpydoc's lint of public docstrings, as far as the house style asks for it.

A docstring of one line may say shapes in its text. One that has a section of parameters names all
of them (PR01) and no others (PR02), and says what is returned (RT01) unless it begins
with "Return".
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import dvr_ray

pytest.importorskip("numpydoc", reason="install the extra: pip install -e '.[docs]'")
from numpydoc.validate import validate

WANTED = {"PR01", "PR02", "RT01"}
# typer reads the first line and the options' own help.
LEFT_OUT = ("dvr_ray.cli.", "dvr_ray.__main__")


def _has_section(thing: object) -> bool:
    callable_ = inspect.isfunction(thing) or inspect.isclass(thing)
    return callable_ and "Parameters\n---" in (inspect.getdoc(thing) or "")


def _public() -> Iterator[str]:
    """Yield public functions, classes and methods whose docstring has a section of parameters."""
    for info in pkgutil.walk_packages(dvr_ray.__path__, "dvr_ray."):
        if info.name.startswith(LEFT_OUT):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if getattr(thing, "__module__", None) != info.name:
                continue
            things = {f"{info.name}.{name}": thing}
            if inspect.isclass(thing):
                things |= {
                    f"{info.name}.{name}.{own}": member
                    for own, member in vars(thing).items()
                    if not own.startswith("_") and inspect.isfunction(member)
                }
            yield from (each for each, it in things.items() if _has_section(it))


def _faults(name: str) -> list[str]:
    found = validate(name)
    text = found["docstring"]
    wanted = WANTED - ({"RT01"} if text.strip().startswith("Return ") else set())
    return [f"{code} {said}" for code, said in found["errors"] if code in wanted]


def test_public_docstrings_document_their_parameters() -> None:
    names = list(_public())
    assert len(names) > 100
    faults = {name: found for name in names if (found := _faults(name))}
    assert not faults
