"""A study read back from its ``study.json``, so that its tables and page can be made anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic

from dvr_ray.config.study import Study
from dvr_ray.errors import CheckpointError
from dvr_ray.reports.sheets import Sheet
from dvr_ray.reports.study import SUMMARY, write_study
from dvr_ray.studies.cells import Cell
from dvr_ray.studies.choosing import Chosen
from dvr_ray.studies.removal import Removed
from dvr_ray.studies.runner import StudyResult

__all__ = ["rewrite_study"]


def rewrite_study(folder: Path, page: Path | None = None) -> list[Sheet]:
    """Write a study's tables, figures and page again from its numbers; nothing is run.

    Parameters
    ----------
    folder : Path
        Holds ``study.json``.
    page : Path, optional
        Where the page goes, with its numbers beside it; by default ``study.html`` in the folder.

    Returns
    -------
    list of Sheet
        The tables.

    Raises
    ------
    CheckpointError
        If ``study.json`` is damaged, or of another version.
    """
    path = folder / SUMMARY
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        study = Study.model_validate_json(json.dumps(stored["study"]))
        result = _result(study, stored)
        return write_study(study, result, folder, stored["scale"], page)
    except (OSError, ValueError, LookupError, TypeError, pydantic.ValidationError) as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise CheckpointError(
            str(path), f"can't be read ({cause})",
            "make it anew: dvr-ray study NAME --resume with the same --out",
        ) from error  # fmt: skip


def _result(study: Study, stored: dict[str, Any]) -> StudyResult:
    records = {_cell(each["entries"], each["seed"]): each for each in stored["cells"]}
    chosen = [
        Chosen(study.choose[each["choice"]], each["for"], each["values"], each["tries"])
        for each in stored["chosen"]
    ]
    removed = {
        Removed(
            _cell(each["values_of"], each["seed"]), _cell(each["train"], each["seed"]),
            each["end"], each["share"],
        ): each
        for each in stored["removed"]
    }  # fmt: skip
    return StudyResult(records, dict(stored["failed"]), chosen, removed)


def _cell(entries: dict[str, str], seed: int) -> Cell:
    return Cell(tuple(entries.items()), seed)
