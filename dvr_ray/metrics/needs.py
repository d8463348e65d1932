"""Refuses metrics and methods that the data can't serve; says what would bring what they need."""

from __future__ import annotations

from collections.abc import Sequence

from dvr_ray.data.attributes import ATTRIBUTES, COMES_WITH
from dvr_ray.errors import DataError
from dvr_ray.metrics.catalogue import Catalogue

__all__ = ["check_needs", "lacking"]


def lacking(needs: Sequence[str], catalogue: Catalogue) -> list[str]:
    """Return those needs of a metric that a catalogue doesn't meet."""
    return [need for need in needs if not catalogue.has(need)]


def check_needs(needs: Sequence[str], name: str, catalogue: Catalogue, place: str) -> None:
    """Check that the data have what a metric reads.

    Parameters
    ----------
    needs : sequence of str
        Of a metric, a method or a re-ranker.
    name : str
        As the user wrote it.
    catalogue : Catalogue
        What is known.
    place : str
        Where it was written.

    Raises
    ------
    DataError
        Naming what is missing and the importer's option that brings it.
    """
    for need in lacking(needs, catalogue):
        mend = f"it comes with {COMES_WITH[need]}" if need in COMES_WITH else f"give the {need}"
        if need not in ATTRIBUTES:
            rule = f"{name} needs the items' {need}, the data have none"
        elif need in catalogue.groups:
            rule = f"{name} needs users of two groups of {need}, the data have fewer"
            mend = f"leave {name} out"
        else:
            rule = f"{name} needs the users' {need}, the data have none"
        raise DataError(place, rule, mend)
