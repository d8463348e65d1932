"""Runs the notebooks below ``docs/notebooks`` and stores what they print.

    python docs/generators/notebook.py

A notebook's code cells are run in order in one namespace; a cell's output is what it prints and,
where its last line is an expression, that expression, as Jupyter shows it. No kernel is needed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from pathlib import Path
from typing import Any

__all__ = ["NOTEBOOKS", "code_cells", "executed"]

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def executed(cells: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Run code cells and return the outputs of each, in the form of a notebook (format 4).

    Parameters
    ----------
    cells : list of dict
        As `code_cells` returns them.

    Returns
    -------
    list of list of dict
        Outputs of every cell.
    """
    names: dict[str, Any] = {"__name__": "notebook"}
    return [_run("".join(cell["source"]), number, names) for number, cell in enumerate(cells, 1)]


def _run(source: str, number: int, names: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse(source, f"cell {number}")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, shown = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last is not None:
            expression = ast.Expression(last.value)
            shown = eval(compile(expression, f"cell {number}", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if shown is not None:
        data = {"text/plain": repr(shown).splitlines(keepends=True)}
        if hasattr(shown, "_repr_html_"):
            data["text/html"] = str(shown._repr_html_()).splitlines(keepends=True)
        outputs.append(
            {"output_type": "execute_result", "execution_count": number, "metadata": {},
             "data": data}
        )  # fmt: skip
    return outputs


def main() -> None:
    """Run every notebook and write it anew."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        for number, (cell, outputs) in enumerate(zip(cells, executed(cells), strict=True), 1):
            cell["outputs"], cell["execution_count"] = outputs, number
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
