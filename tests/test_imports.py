"""Who may import whom: the layers of the package, held by their imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = [
    {"errors"},
    {"registry", "seeding", "collective", "state", "kmeans", "events", "files", "monitors"},
    {"storage"},
    {"config"},
    {"data", "tracking"},
    {"valuation", "metrics"},
    {"backbones"},
    {"negatives", "weightings", "rewards", "reranking"},
    {"training"},
    {"inference"},
    {"distributed"},
    {"tuning", "studies"},
    {"reports"},
    {"auditing", "explaining", "launching"},
    {"estimator"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
# A package reads its version from the top, which imports nothing.
FREE = {"dvr_ray"}
ONLY = {
    "ray": {"distributed", "tuning", "studies", "launching", "cli"},
    "optuna": {"tuning"},
    "typer": {"cli"},
    "rich": {"cli"},
}


def _imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _violations(layer: str, source: str) -> list[str]:
    broken = []
    for name in _imports(ast.parse(source)):
        top, *rest = name.split(".")
        if top == "dvr_ray" and rest and rest[0] in RANK:
            same = rest[0] == layer
            if not same and RANK[rest[0]] >= RANK[layer]:
                broken.append(name)
        elif top in ONLY and layer not in ONLY[top]:
            broken.append(name)
    return broken


def _files(repository: Path) -> list[tuple[str, Path]]:
    package = repository / "dvr_ray"
    found = []
    for path in sorted(package.rglob("*.py")):
        layer = path.relative_to(package).parts[0].removesuffix(".py")
        if layer in RANK:
            found.append((layer, path))
    return found


def test_imports_go_one_way(repository: Path) -> None:
    files = _files(repository)
    assert len(files) > 50
    broken = {
        str(path): found
        for layer, path in files
        if (found := _violations(layer, path.read_text(encoding="utf-8")))
    }
    assert not broken


def test_every_part_has_a_layer(repository: Path) -> None:
    parts = {path.name.removesuffix(".py") for path in (repository / "dvr_ray").iterdir()}
    assert parts - {"__init__", "__main__", "__pycache__", "py.typed"} == set(RANK)


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("data", "from dvr_ray.training.loop import Trainer"),
        ("rewards", "import dvr_ray.weightings"),
        ("training", "def f():\n    import ray.train"),
        ("metrics", "from dvr_ray.valuation import HarsanyiValuator"),
        ("training", "import optuna"),
    ],
)
def test_a_wrong_import_is_found(layer: str, source: str) -> None:
    assert _violations(layer, source)


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, dvr_ray; sys.exit(any(n in sys.modules for n in ('torch', 'ray', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_file_is_long(repository: Path) -> None:
    long = {
        str(path): lines
        for folder in ("dvr_ray", "tests", "benchmarks")
        for path in (repository / folder).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long
