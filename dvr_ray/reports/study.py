"""Everything that a study leaves: tables, figures, one page, and all numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dvr_ray import __version__
from dvr_ray.config.study import Study
from dvr_ray.reports.charts import Chart, can_save, draw, save
from dvr_ray.reports.digest import plain
from dvr_ray.reports.page import write_page
from dvr_ray.reports.parts import Card, Content, Panel, Section, Table
from dvr_ray.reports.sheets import Sheet
from dvr_ray.reports.study_charts import charts_of
from dvr_ray.reports.study_tables import sheets_of, write_sheets
from dvr_ray.reports.summary import span
from dvr_ray.studies.differences import TEST, differences
from dvr_ray.studies.removal import Removed
from dvr_ray.studies.runner import StudyResult

__all__ = ["PAGE", "SUMMARY", "write_study"]

PAGE, SUMMARY = "study.html", "study.json"


def write_study(
    study: Study, result: StudyResult, folder: Path, scale: str | None, page: Path | None = None
) -> list[Sheet]:
    """Write ``tables/``, ``figures/`` (where matplotlib is), ``study.html`` and ``study.json``.

    Parameters
    ----------
    study : Study
        The study.
    result : StudyResult
        What it gave.
    folder : Path
        Where the files go.
    scale : str or None
        What it was overridden with, for the record.
    page : Path, optional
        Where the page goes, with its numbers beside it, instead of the folder.

    Returns
    -------
    list of Sheet
        The tables.
    """
    sheets, charts = sheets_of(study, result), charts_of(study, result)
    write_sheets(study, result, sheets, folder / "tables")
    if can_save():
        for chart in charts:
            save(chart, folder / "figures")
    content = _content(study, result, sheets, charts, scale)
    summary = page.with_suffix(".json") if page else folder / SUMMARY
    write_page(content, _digest(study, result, scale), page or folder / PAGE, summary)
    return sheets


def _content(
    study: Study,
    result: StudyResult,
    sheets: list[Sheet],
    charts: list[Chart],
    scale: str | None,
) -> Content:
    sections = [
        Section(sheet.title, sheet.note, table=Table(
            tuple(sheet.columns), tuple(map(tuple, sheet.rows)), left=sheet.left))
        for sheet in sheets
    ]  # fmt: skip
    sections += [
        Section(f"{chart.y}: {chart.title}" if chart.title else chart.y, chart.note,
                (Panel(draw(chart)),))
        for chart in charts
    ]  # fmt: skip
    seconds, count = sum(_seconds(result)), len(study.seeds)
    return Content(
        title=study.name,
        subtitle=f"Mean ± sd over {count} {'seeds' if count > 1 else 'seed'} on the sealed test "
        f"part. {TEST}.",
        cards=(
            Card("cells", str(len(result.records)), f"{len(result.failures)} failed"),
            Card("scale", scale or "as written", f"seeds {', '.join(map(str, study.seeds))}"),
            Card("training time", span(seconds), "all runs together, tries left out"),
        ),
        sections=tuple(sections),
        facts=tuple(_facts(result)),
        config=_yaml(study),
        elsewhere=", those of runs in tables/cells.csv",
    )


def _seconds(result: StudyResult) -> list[float]:
    # Cells that are the same run share a record; read back from JSON it is no longer one object.
    records = [*result.records.values(), *result.removed.values()]
    runs = {(r["data"], r.get("wall"), r["seconds"]): r["seconds"] for r in records}
    return list(runs.values())


def _facts(result: StudyResult) -> list[tuple[str, str]]:
    records = list(result.records.values())
    machines = {_hardware(record.get("hardware", {})) for record in records}
    versions = {", ".join(f"{k} {v}" for k, v in r["versions"].items()) for r in records
                if "versions" in r}  # fmt: skip
    found = [("chosen", str(chosen)) for chosen in result.chosen]
    found += [("failed", f"{cell}: {cause}") for cell, cause in result.failures.items()]
    found += [("hardware", text) for text in sorted(machines) if text]
    return [*found, *(("versions", text) for text in sorted(versions))]


def _hardware(found: Mapping[str, Any]) -> str:
    """What a run had: a machine without a GPU has none to name."""
    named = {"cpus": "{} CPUs", "memory_gib": "{} GiB of memory", "gpu": "GPU {}"}
    known = ((name, value) for name, value in found.items() if value is not None)
    return ", ".join(named.get(name, "{}").format(value) for name, value in known)


def _yaml(study: Study) -> str:
    stream = StringIO()
    YAML().dump(study.model_dump(mode="json", by_alias=True, exclude_defaults=True), stream)
    return stream.getvalue()


def _digest(study: Study, result: StudyResult, scale: str | None) -> dict[str, Any]:
    content = {
        "kind": "study",
        "name": study.name,
        "scale": scale,
        "version": __version__,
        "study": study.model_dump(mode="json", by_alias=True),
        "seeds": study.seeds,
        "budget": {"tries": sum(c.tries for c in result.chosen), "cells": len(result.records),
                   "seconds": sum(_seconds(result))},
        "chosen": [
            {"choice": study.choose.index(c.choice), "for": dict(c.own),
             "only": dict(c.choice.only), "values": c.values, "tries": c.tries}
            for c in result.chosen
        ],
        "cells": [
            {"entries": dict(cell.entries), "seed": cell.seed, **record}
            for cell, record in result.records.items()
        ],
        "removed": [
            {**_removed(removed), **record} for removed, record in result.removed.items()
        ],
        "test": TEST,
        "differences": [
            {"group": d.group, "row": d.row, "against": d.base, "metric": d.metric,
             "n": len(d.gaps), "gaps": d.gaps, "mean": d.mean, "sd": d.sd, "relative": d.relative,
             "p": d.p, "p_corrected": d.corrected, "verdict": d.verdict}
            for d in differences(study, result.records)
        ],
        "failed": {str(cell): cause for cell, cause in result.failures.items()},
    }  # fmt: skip
    return dict(plain(content))


def _removed(removed: Removed) -> dict[str, Any]:
    return {
        "values_of": dict(removed.source.entries), "train": dict(removed.train.entries),
        "seed": removed.source.seed, "end": removed.end, "share": removed.share,
    }  # fmt: skip
