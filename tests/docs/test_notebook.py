"""Notebooks run from top to bottom, and their stored outputs are what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from generators.notebook import NOTEBOOKS, code_cells, executed

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
# What depends on the last digits of a training, which differ from machine to machine.
VARIES = re.compile(r"sentences\(|nlargest|nsmallest|recommend\(")


def _plain(outputs: list[dict[str, Any]]) -> list[str]:
    """Outputs as text without numbers and the spaces between columns."""
    texts = ["".join(out.get("text") or out["data"]["text/plain"]) for out in outputs]
    return [re.sub(r"\s+", " ", re.sub(r"[-+]?\d*\.?\d+", "#", text)) for text in texts]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_outputs_are_stored(path: Path) -> None:
    """And the file is what Jupyter reads: format 4.5, cells with ids of their own."""
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_stores(path: Path) -> None:
    cells = code_cells(path)
    for cell, outputs in zip(cells, executed(cells), strict=True):
        source = "".join(cell["source"])
        assert [out["output_type"] for out in outputs] == [
            out["output_type"] for out in cell["outputs"]
        ], source
        if not VARIES.search(source):
            assert _plain(outputs) == _plain(cell["outputs"]), source


def test_a_cell_shows_what_it_prints_and_its_last_expression() -> None:
    first, second = executed(
        [{"source": ["x = 2\n", "print(x)\n", "x + 1"]}, {"source": ["y = x"]}]
    )
    assert _plain(first) == ["# ", "#"] and first[0]["text"] == ["2\n"]
    assert first[1]["data"]["text/plain"] == ["3"] and second == []
