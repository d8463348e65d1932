"""The parts of a finished run's data, read again and checked to be those it was trained on."""

from __future__ import annotations

import numpy as np

from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.errors import DataError
from dvr_ray.training.opened import OpenedRun

__all__ = ["parts_of"]


def parts_of(run: OpenedRun) -> tuple[TrialData, SealedTest]:
    """Return the parts of the log that a run was trained on, without features.

    Parameters
    ----------
    run : OpenedRun
        Its config says where the log lies.

    Returns
    -------
    TrialData, SealedTest
        With the internal numbers of the run.

    Raises
    ------
    DataError
        If the log can't be read, or has another catalogue or other training rows than the run.
    """
    (data, test), known = run.log, run.catalogue
    for kind, ours, theirs in (
        ("users", known.users.ids, data.user_ids),
        ("items", known.items.ids, data.item_ids),
    ):
        if not np.array_equal(ours, theirs):
            raise _other(run, f"has {len(theirs):,} {kind}, the run {len(ours):,}, not the same")
    if not np.array_equal(run.train.keys, data.train.keys):
        raise _other(run, "gives other training rows")
    return data, test


def _other(run: OpenedRun, difference: str) -> DataError:
    place = run.config.data.path or run.config.data.source
    return DataError(
        str(place),
        f"must be the log that {run.folder} was trained on, but {difference}",
        "restore the log, or train a run on this one",
    )
