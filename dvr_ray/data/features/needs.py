"""Refuses features that the data can't serve, and says what would bring what they need."""

from __future__ import annotations

from collections.abc import Iterable

from dvr_ray.data.attributes import COMES_WITH
from dvr_ray.data.features.feature import FEATURES, FeatureContext
from dvr_ray.errors import DataError

__all__ = ["check_features"]

WHAT = {
    "category": "the items' categories",
    "gender": "users of two genders",
    "age": "users of two age groups",
    "time": "the rows' times",
}


def check_features(names: Iterable[str], context: FeatureContext) -> None:
    """Check that the data have what features are computed from.

    Parameters
    ----------
    names : iterable of str
        Registered names.
    context : FeatureContext
        What the data say.

    Raises
    ------
    DataError
        Naming the feature, what is missing, and the importer's option that brings it.
    """
    for name in names:
        needs = FEATURES.get(name).needs_any
        if needs and not any(context.has(need) for need in needs):
            raise DataError(
                "encoder.features",
                f"{name} needs {' or '.join(WHAT[need] for need in needs)}, the data have none",
                f"it comes with {COMES_WITH[needs[0]]}; or leave {name} out",
            )
