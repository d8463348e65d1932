"""The shipped search spaces: every base with every backbone and method, and what methods are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.backbones import BACKBONES
from dvr_ray.config.load import load_space
from dvr_ray.config.space import SearchSpace
from dvr_ray.training.build import check

SPACES = Path(__file__).resolve().parents[2] / "search_spaces"
BASES, BACKBONE_FILES, METHODS = (
    sorted((SPACES / kind).glob("*.yaml")) for kind in ("data", "backbones", "methods")
)
FOLDER = ["data.path=/data"]


def corners_are_legal(space: SearchSpace) -> None:
    """The run and each end of each range are what the components take."""
    from dvr_ray.config.load import apply

    check(space.run)
    for name in space.search:
        for values in space.corner_points(name):
            check(apply(space.run, values))


@pytest.mark.parametrize("base", BASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("method", METHODS, ids=lambda path: path.stem)
def test_every_base_takes_every_method(base: Path, method: Path) -> None:
    space = load_space(base, FOLDER, [method])
    corners_are_legal(space)
    own = load_space(base, FOLDER)
    assert space.tune == own.tune and space.run.data == own.run.data


@pytest.mark.parametrize("backbone", BACKBONE_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("method", METHODS, ids=lambda path: path.stem)
def test_every_backbone_takes_every_method(backbone: Path, method: Path) -> None:
    if method.stem == "ease":
        pytest.skip("ease is a backbone of its own")
    space = load_space(BASES[0], FOLDER, [backbone, method])
    corners_are_legal(space)
    assert space.run.backbone.name == backbone.stem


def test_every_backbone_has_a_file() -> None:
    named = {path.stem for path in BACKBONE_FILES} | {"ease"}
    assert named == set(BACKBONES.names())
