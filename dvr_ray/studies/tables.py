"""Tables of a study: mean and standard deviation over seeds, paired differences, cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dvr_ray.config.study import Study
from dvr_ray.files import placed
from dvr_ray.studies.cells import Cell
from dvr_ray.studies.runner import HELD_OUT, StudyResult

__all__ = ["Table", "tables_of", "write_tables"]


class Table:
    """One group's table.

    Parameters
    ----------
    study : Study
        The study.
    group : tuple of str
        Entries of all axes but the last.
    records : dict of Cell to dict
        The group's finished cells.
    """

    def __init__(self, study: Study, group: tuple[str, ...], records: dict[Cell, Any]) -> None:
        self.title = ", ".join(group) or study.name
        self._study, self._records = study, records
        metrics = {name for record in records.values() for name in record["test"]}
        self._metrics = [m for m in study.metrics if m in metrics]
        self._metrics += sorted(metrics - set(self._metrics))
        self._held_out = any(record.get("held_out") for record in records.values())

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        head = ["", "seeds", *self._metrics]
        if self._study.against is not None:
            head.append(f"{self._study.metrics[0]} against {self._study.against} (p)")
        if self._held_out:
            head += ["held-out correlation", "without units"]
        return [*head, "AUC of value", "seconds a run"]

    def rows(self) -> list[list[str]]:
        """Cells as text, one list for each row of the study that has a finished run."""
        found = []
        for row in self._study.rows:
            own = self._of(row)
            if not own:
                continue
            line = [row, str(len(own))]
            line += [spread([r["test"].get(m) for r in own.values()]) for m in self._metrics]
            if self._study.against is not None:
                line.append(self._difference(row))
            if self._held_out:
                for name in HELD_OUT:
                    line.append(spread([r.get("held_out", {}).get(name) for r in own.values()]))
            line.append(spread([r["auc"].get("value") for r in own.values()]))
            found.append([*line, f"{np.mean([r['seconds'] for r in own.values()]):.0f}"])
        return found

    def plain_scores(self) -> str:
        """AUC of scores that nobody learned, as the last row that values its rows measured them."""
        for row in reversed(self._study.rows):
            aucs = [record["auc"] for record in self._of(row).values() if record["auc"]]
            if aucs:
                names = [name for name in aucs[0] if name != "value"]
                shown = [f"{name} {spread([a.get(name) for a in aucs])}" for name in names]
                return f"AUC of plain scores, in the runs of {row}: {'; '.join(shown)}."
        return ""

    def _of(self, row: str) -> dict[int, Any]:
        return {cell.seed: r for cell, r in self._records.items() if cell.row == row}

    def _difference(self, row: str) -> str:
        """Mean difference over seeds, and p of the paired t-test."""
        assert self._study.against is not None
        metric = self._study.metrics[0]
        own, other = self._of(row), self._of(self._study.against)
        seeds = sorted(own.keys() & other.keys())
        if row == self._study.against or not seeds:
            return "-"
        gaps = [own[s]["test"][metric] - other[s]["test"][metric] for s in seeds]
        text = f"{np.mean(gaps):+.4f}"
        if len(gaps) == 1 or np.ptp(gaps) == 0:
            return text
        return f"{text} ({stats.ttest_1samp(gaps, 0).pvalue:.3f})"


def spread(values: Sequence[float | None]) -> str:
    """Mean ± standard deviation (n - 1) of what is there."""
    known = [value for value in values if value is not None and not np.isnan(value)]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{known[0]:.4f}"
    return f"{np.mean(known):.4f} ± {np.std(known, ddof=1):.4f}"


def tables_of(study: Study, result: StudyResult) -> list[Table]:
    """Return one table for each combination of all axes but the last."""
    groups: dict[tuple[str, ...], dict[Cell, Any]] = {}
    for cell, record in result.records.items():
        groups.setdefault(cell.group, {})[cell] = record
    return [Table(study, group, records) for group, records in groups.items()]


def write_tables(study: Study, result: StudyResult, folder: Path) -> list[Path]:
    """Write ``table.md`` and ``cells.csv``; return their paths."""
    parts = [f"# {study.name}", f"Mean ± sd over seeds {list(study.seeds)}; p of the paired t-test "
             "over them, uncorrected."]  # fmt: skip
    parts += [f"Chosen on validation-selection: {chosen}." for chosen in result.chosen]
    parts += [f"Failed: {cell}: {cause}" for cell, cause in result.failures.items()]
    for table in tables_of(study, result):
        lines = [table.columns, ["---"] * len(table.columns), *table.rows()]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts += [f"## {table.title}", body, table.plain_scores()]
    with placed(folder / "table.md") as temporary:
        temporary.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    with placed(folder / "cells.csv") as temporary:
        pd.DataFrame([_flat(cell, r) for cell, r in result.records.items()]).to_csv(
            temporary, index=False
        )
    return [folder / "table.md", folder / "cells.csv"]


def _flat(cell: Cell, record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = dict(cell.entries) | {"seed": cell.seed}
    for part in ("test", "selection", "auc"):
        found |= {f"{part} {name}": value for name, value in record[part].items()}
    return found | {"seconds": record["seconds"], "best_epoch": record["best_epoch"]}
