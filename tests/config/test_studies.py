"""Scales of a study, and shipped studies by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dvr_ray.config.load import load_study
from dvr_ray.config.shipped import study_path
from dvr_ray.errors import ConfigError

TEXT = """
name: two
run:
  training: {epochs: 40, lr: 0.01}
axes:
  method:
    keep all: {method: {name: bpr}}
    DVR: {}
seeds: [0, 1, 2]
scales:
  smoke:
    run: {training: {epochs: 2}}
    only: {method: [DVR]}
    seeds: [0]
  laptop: {}
  wrong:
    run: {training: {epochs: 0}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(TEXT)
    return file


def test_a_scale_overrides_what_it_names_alone(path: Path) -> None:
    small = load_study(path, scale="smoke")
    assert (small.run.training.epochs, small.run.training.lr) == (2, 0.01)
    assert list(small.rows) == ["DVR"] and small.seeds == (0,)
    assert load_study(path, scale="laptop") == load_study(path)
    assert load_study(path).run.training.epochs == 40


def test_set_overrides_a_scale(path: Path) -> None:
    assert load_study(path, ["seeds=[7]"], scale="smoke").seeds == (7,)


def test_a_wrong_value_of_a_scale_is_told_with_its_line(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"two.yaml:17.*epochs.*>= 1"):
        load_study(path, scale="wrong")
    with pytest.raises(ConfigError, match=r"no scale 'smok'; did you mean 'smoke'"):
        load_study(path, scale="smok")


def test_only_must_name_entries(path: Path) -> None:
    with pytest.raises(ConfigError, match="only names 'dvr', but method has"):
        load_study(path, ["only.method=[dvr]"])


def test_a_study_is_a_file_or_one_that_is_shipped(path: Path) -> None:
    assert study_path(str(path)) == path
    assert study_path("quickstart").name == "quickstart.yaml"
    with pytest.raises(ConfigError, match="did you mean 'quickstart'"):
        study_path("quikstart")


@pytest.mark.slow
def test_an_installed_package_has_its_studies(repository: Path, tmp_path: Path) -> None:
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    code = "from dvr_ray.config.shipped import study_path; print(study_path('main-table'))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)
