"""Tables of a study: what each row reached, which rows differ, removal curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvr_ray.config.study import Study
from dvr_ray.reports.sheets import Sheet, markdown, slug, spread, write_sheet, write_text
from dvr_ray.studies.cells import Cell
from dvr_ray.studies.differences import TEST, Difference, base_of, by_group, differences
from dvr_ray.studies.measures import Quantity, quantity
from dvr_ray.studies.runner import StudyResult

__all__ = ["bases_of", "quantities_of", "sheets_of", "write_sheets"]


BRIEF = 5
"""At most so many quantities are shown on a terminal."""


def sheets_of(study: Study, result: StudyResult) -> list[Sheet]:
    """Return an overview of several groups, a table for each, differences, and removal curves."""
    found, groups = differences(study, result.records), by_group(result.records)
    several = len(groups) > 1
    sheets = [_overview(study, result, found)] if several else []
    sheets += [
        _group_sheet(study, group, own, [d for d in found if d.group == group], several)
        for group, own in groups.items()
    ]
    if any(len(difference.gaps) > 1 for difference in found):
        # Of one seed they say no more than the tables do.
        sheets.append(_differences_sheet(found))
    if result.removed:
        sheets.append(_removal_sheet(study, result))
    return sheets


def quantities_of(study: Study, result: StudyResult) -> list[Quantity]:
    """Return metrics of the study, what else was measured on test, and measures that a run has."""
    records = list(result.records.values())
    beside = sorted({name for record in records for name in record["test"]} - set(study.metrics))
    metrics = [quantity(name) for name in study.metrics]
    others = [_beside(name) for name in beside]
    every = [*metrics, *others, *(quantity(name) for name in study.measures)]
    bases = bases_of(study, result)
    return [
        q for q in every
        if any(q(record, bases.get(cell)) is not None for cell, record in result.records.items())
    ]  # fmt: skip


def bases_of(study: Study, result: StudyResult) -> dict[Cell, dict[str, Any]]:
    """By cell, the record of the row compared with, of the same group and seed, if there is one."""
    found: dict[Cell, dict[str, Any]] = {}
    for own in by_group(result.records).values():
        base = base_of(study, own)
        seeds = {cell.seed: record for cell, record in own.items() if cell.row == base}
        found |= {cell: seeds[cell.seed] for cell in own if cell.seed in seeds}
    return found


def write_sheets(
    study: Study, result: StudyResult, sheets: Sequence[Sheet], folder: Path
) -> list[Path]:
    """Write ``all.md``, ``cells.csv``, and of each table CSV, Markdown and LaTeX."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_text(folder / "all.md", _document(study, result, sheets)),
        *(path for sheet in sheets for path in write_sheet(sheet, folder)),
        write_text(folder / "cells.csv", cells_frame(result).to_csv(index=False)),
    ]


def cells_frame(result: StudyResult) -> pd.DataFrame:
    """One line for each finished cell, with every number."""
    lines = []
    for cell, record in result.records.items():
        line: dict[str, Any] = dict(cell.entries) | {"seed": cell.seed}
        for part in ("test", "selection", "auc"):
            line |= {f"{part} {name}": value for name, value in record[part].items()}
        names = ("seconds", "best_epoch", "epochs", "memory", "passes")
        lines.append(line | {name: record[name] for name in names if name in record})
    return pd.DataFrame(lines)


def _group_sheet(
    study: Study,
    group: tuple[str, ...],
    records: dict[Cell, Any],
    found: Sequence[Difference],
    several: bool,
) -> Sheet:
    own = StudyResult(records, {}, [])
    quantities, base = quantities_of(study, own), base_of(study, records)
    bases = bases_of(study, own)
    metric = study.metrics[0]
    gaps = {d.row: d for d in found if d.metric == metric}
    columns = ["", "seeds", *(q.title for q in quantities)]
    columns += [f"{metric} against {base}"] if base else []
    rows, numbers = [], []
    for row in study.rows:
        cells = {cell: record for cell, record in records.items() if cell.row == row}
        if not cells:
            continue
        values = [[q(r, bases.get(c)) for c, r in cells.items()] for q in quantities]
        line = [
            row,
            str(len(cells)),
            *(spread(v, q.digits) for q, v in zip(quantities, values, strict=True)),
        ]
        rows.append([*line, *([_gap(gaps.get(row))] if base else [])])
        numbers += [
            _numbers(group, row, q, v) for q, v in zip(quantities, values, strict=True)
        ]  # fmt: skip
    title = ", ".join(group) or study.name
    name = f"results-{slug(title)}" if several else "results"
    # What chance makes of a gap is left to the files.
    told = [n for n, q in enumerate(quantities, 2) if not q.name.endswith((" null", " error"))]
    shown = (0, 1, *told[:BRIEF], *([len(columns) - 1] if base else []))
    note = " ".join(filter(None, [f"{TEST}." if base else "", _plain_scores(study, records)]))
    return Sheet(name, title, note, columns, rows, pd.DataFrame(numbers), shown)


def _overview(study: Study, result: StudyResult, found: Sequence[Difference]) -> Sheet:
    """The first metric: a row for each row, a column for each group."""
    metric = study.metrics[0]
    marks = {(d.group, d.row): f" ({d.verdict})" for d in found if d.metric == metric}
    groups = by_group(result.records)
    rows, numbers = [], []
    for row in study.rows:
        line = [row]
        for group, records in groups.items():
            values = [r["test"].get(metric) for cell, r in records.items() if cell.row == row]
            line.append(spread(values) + marks.get((group, row), ""))
            numbers.append(_numbers(group, row, quantity(metric), values))
        rows.append(line)
    columns = ["", *(", ".join(group) for group in groups)]
    bases = dict.fromkeys(d.base for d in found)
    note = f"{metric}, mean ± sd over seeds {', '.join(map(str, study.seeds))}"
    note += f", against {' or '.join(bases)}. {TEST}." if bases else "."
    return Sheet("overview", f"{metric}, all groups", note, columns, rows, pd.DataFrame(numbers))


def _numbers(
    group: tuple[str, ...], row: str, quantity: Quantity, values: Sequence[float | None]
) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {
        "group": ", ".join(group),
        "row": row,
        "quantity": quantity.name,
        "mean": np.mean(known) if known else None,
        "sd": np.std(known, ddof=1) if len(known) > 1 else None,
        "n": len(known),
    }


def _gap(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    if np.isnan(difference.corrected):
        return f"{difference.mean:+.4f} (not tested)"
    return f"{difference.mean:+.4f} ({difference.verdict}, p {difference.corrected:.3f})"


def _differences_sheet(found: Sequence[Difference]) -> Sheet:
    columns = ["group", "row", "against", "metric", "n", "difference", "relative", "p",
               "p corrected", "verdict"]  # fmt: skip
    rows = [
        [", ".join(d.group), d.row, d.base, d.metric, str(len(d.gaps)), spread_gap(d),
         "-" if np.isnan(d.relative) else f"{d.relative:+.1%}", _p(d.p), _p(d.corrected), d.verdict]
        for d in found
    ]  # fmt: skip
    numbers = pd.DataFrame(
        [{"group": ", ".join(d.group), "row": d.row, "against": d.base, "metric": d.metric,
          "n": len(d.gaps), "mean": d.mean, "sd": d.sd, "relative": d.relative, "p": d.p,
          "p_corrected": d.corrected, "test": TEST, "verdict": d.verdict} for d in found]
    )  # fmt: skip
    note = f"{TEST}; a tie where the corrected p is .05 or more."
    return Sheet("differences", "Differences", note, columns, rows, numbers, (), left=4)


def spread_gap(difference: Difference) -> str:
    """Mean ± sd of the gaps, with the mean's sign."""
    sd = "" if np.isnan(difference.sd) else f" ± {difference.sd:.4f}"
    return f"{difference.mean:+.4f}{sd}"


def _p(p: float) -> str:
    return "-" if np.isnan(p) else f"{p:.4f}"


def _removal_sheet(study: Study, result: StudyResult) -> Sheet:
    """Mean of each metric by whose values, which end and what share; keep-all has share 0."""
    found: dict[tuple[str, str, str, float], list[dict[str, Any]]] = {}
    for removed, record in result.removed.items():
        whole = result.records.get(removed.train)
        key = (", ".join(removed.train.group), removed.source.row, removed.end, removed.share)
        if whole is not None:
            found.setdefault(key, []).append({"test": record["test"], "whole": whole["test"]})
    columns = ["group", "values of", "dropped", "share", "seeds",
               *(f"{m}{what}" for m in study.metrics for what in ("", ", change"))]  # fmt: skip
    rows, numbers = [], []
    for (group, of, end, share), runs in found.items():
        by = "-" if end == "random" else of
        line = [group, by, end, f"{share:.0%}", str(len(runs))]
        for metric in study.metrics:
            values = [run["test"][metric] for run in runs]
            gaps = [run["test"][metric] - run["whole"][metric] for run in runs]
            line += [spread(values), f"{np.mean(gaps):+.4f}"]
            numbers.append(
                {"group": group, "values of": by, "dropped": end, "share": share, "metric": metric,
                 "mean": np.mean(values), "change": np.mean(gaps), "n": len(runs)}
            )  # fmt: skip
        rows.append(line)
    wanted = study.removal
    assert wanted is not None, "something was removed"
    note = f"{wanted.train} without a share of the training rows; the change is against all rows."
    return Sheet("removal", "Removal curves", note, columns, rows, pd.DataFrame(numbers), left=3)


def _plain_scores(study: Study, records: dict[Cell, Any]) -> str:
    """AUC of scores that nobody learned, as the last row that values its rows measured them."""
    for row in reversed(study.rows):
        own = [r["auc"] for cell, r in records.items() if cell.row == row and "value" in r["auc"]]
        if own:
            names = [name for name in own[0] if name != "value"]
            shown = [f"{name} {spread([a.get(name) for a in own])}" for name in names]
            return f"AUC of plain scores, in the runs of {row}: {'; '.join(shown)}."
    return ""


def _beside(name: str) -> Quantity:
    """What a gap between groups has beside it, or pushed items in the lists."""
    return Quantity(name, name, lambda record, _: record["test"].get(name))


def _document(study: Study, result: StudyResult, sheets: Sequence[Sheet]) -> str:
    parts = [f"# {study.name}", f"Mean ± sd over seeds {list(study.seeds)}. Test: {TEST}; a tie "
             "where the corrected p is .05 or more."]  # fmt: skip
    parts += [f"Chosen on validation-selection: {chosen}." for chosen in result.chosen]
    parts += [f"Failed: {cell}: {cause}" for cell, cause in result.failures.items()]
    return "\n\n".join([*parts, *map(markdown, sheets)]) + "\n"
