"""What an object holds, walked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd


def reachable(thing: object) -> Iterator[object]:
    """Walk everything that an object holds: fields, cached properties, dicts and sequences."""
    yield thing
    if isinstance(thing, pd.DataFrame):
        yield from (thing[column].to_numpy() for column in thing)
    elif is_dataclass(thing) and not isinstance(thing, type):
        held = {field.name: getattr(thing, field.name) for field in fields(thing)}
        for value in {**held, **vars(thing)}.values():
            yield from reachable(value)
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from reachable(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from reachable(value)
    else:
        known = np.ndarray | str | bool | int | float | None
        assert isinstance(thing, known), f"the walk doesn't know {type(thing)}"
