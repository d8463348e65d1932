"""Which runs a study consists of, and which stored records they may go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_study import record_of, study_of

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import CheckpointError, ConfigError
from dvr_ray.studies.cells import Cell, Cells, cells_of, configured, key_of
from dvr_ray.studies.choosing import Chosen, groups_of, tries_of

ROOT = Path("/data")


def test_cells_are_every_combination_seed_after_seed() -> None:
    found = cells_of(study_of())
    names = [(cell.group, cell.row, cell.seed) for cell in found]
    expected = [
        ((noise,), method, seed)
        for seed in (0, 1) for noise in ("none", "some") for method in ("keep all", "tce")
    ]  # fmt: skip
    assert names == expected


def test_a_cell_s_run_has_its_entries_its_seed_and_what_was_chosen() -> None:
    study = study_of()
    cell = Cell((("noise", "some"), ("method", "tce")), 1)
    config = configured(study, cell, {"training.l2": 0.5}, ROOT)
    assert (config.data.noise.kind, config.method.name) == ("uniform", "tce")
    assert (config.seed, config.split.seed, config.data.seed) == (1, 1, 0)
    assert config.training.l2 == 0.5


def test_data_paths_start_in_the_root_and_change_no_key() -> None:
    axes = {"data": {"a": {"data": {"source": "lightgcn", "path": "gowalla"}}}}
    study = study_of(axes=axes, choose=[], against=None)
    cell = cells_of(study)[0]
    here, there = (configured(study, cell, {}, Path(root)) for root in ("/data", "/mnt/x"))
    assert here.data.path == "/data/gowalla"
    assert there.data.path == "/mnt/x/gowalla"
    assert key_of(here) == key_of(there)
    other = apply(here, {"data.path": "/data/beauty"})
    assert key_of(other) != key_of(here)


def test_a_pretrained_valuator_counts_by_its_weights_wherever_it_lies(tmp_path: Path) -> None:
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "valuator.safetensors").write_bytes(weights)
    method = {"name": "dvr"}
    a, b, c, first, joint = (
        key_of(apply(RunConfig(), {"method": method | own}))
        for own in (
            *({"pretrained": str(tmp_path / name)} for name in "abc"), {"pretrained": True}, {},
        )
    )  # fmt: skip
    assert a == b and len({a, c, first, joint}) == 4
    assert joint == key_of(RunConfig()), "a field at its default changes no key"


def test_a_wrong_field_names_the_cell() -> None:
    axes = {"method": {"wild": {"training.lr": -1.0}}}
    study = study_of(axes=axes, choose=[], against=None)
    with pytest.raises(ConfigError, match=r"wild, seed 0.*training.lr"):
        configured(study, cells_of(study)[0], {}, ROOT)


def test_choices_are_made_for_each_combination_on_the_named_cell() -> None:
    choose = [{"grid": {"training.l2": [0.0, 0.5], "training.lr": [0.1]}, "by": ["noise"],
               "on": {"method": "tce"}}]  # fmt: skip
    study = study_of(choose=choose)
    found = list(groups_of(study, study.choose[0]))
    assert [own for own, _ in found] == [{"noise": "none"}, {"noise": "some"}]
    assert {cell.row for _, cell in found} == {"tce"}
    assert tries_of(study.choose[0], 1) == [
        {"training.l2": 0.0, "training.lr": 0.1}, {"training.l2": 0.5, "training.lr": 0.1},
    ]  # fmt: skip


def test_what_was_chosen_is_used_in_its_cells_alone() -> None:
    choose = [{"grid": {"training.l2": [0.0]}, "by": ["noise"], "only": {"method": ["tce"]}}]
    choice = study_of(choose=choose).choose[0]
    chosen = Chosen(choice, {"noise": "some"}, {"training.l2": 0.0})
    fits = {(c.group[0], c.row): chosen.fits(c) for c in cells_of(study_of())}
    assert [pair for pair, fit in fits.items() if fit] == [("some", "tce")]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"against": "nobody"}, "against must name a row"),
    ({"resources": {"workers": 2}}, "workers must be 1"),
    ({"axes": {"noise": {}}}, "must have an entry"),
    ({"axes": {}}, "at least 1"),
    ({"choose": [{"grid": {"training.l2": [0.1]}, "by": ["nois"]}]}, "names the axis 'nois'"),
    ({"choose": [{"grid": {"training.l2": [0.1]}, "on": {"method": "x"}}]}, "names 'x'"),
    ({"seeds": [1, 1]}, "must differ"),
    ({"seeds": []}, "at least 1"),
    ({"metric": ["ndcg@5"]}, "unknown key 'metric'"),
]


@pytest.mark.parametrize(("changes", "rule"), WRONG, ids=lambda v: str(v)[:30])
def test_wrong_studies_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        study_of(**changes)


def test_a_record_is_read_back_for_the_same_run_alone(tmp_path: Path) -> None:
    study, cells = study_of(), Cells(tmp_path / "cells")
    first, second = (configured(study, cell, {}, ROOT) for cell in cells_of(study)[:2])
    assert cells.read(first) is None
    cells.write(first, record_of(0.3))
    found = cells.read(first)
    assert found is not None and found["test"] == {"ndcg@5": 0.3}
    assert cells.read(second) is None


def test_a_record_of_other_defaults_isn_t_used(tmp_path: Path) -> None:
    config = configured(study_of(), cells_of(study_of())[0], {}, ROOT)
    cells = Cells(tmp_path)
    cells.write(config, record_of(0.3))
    (path,) = tmp_path.iterdir()
    content = json.loads(path.read_text())
    content["config"]["policy"]["temperature"] = 7.0
    path.write_text(json.dumps(content))
    assert cells.read(config) is None
    # A field that was added later says nothing about a record of before.
    del content["config"]["policy"]["temperature"]
    path.write_text(json.dumps(content))
    assert cells.read(config) is not None


@pytest.mark.parametrize("text", ["{", "[]", '{"selection": 1}', "{}"])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    config = configured(study_of(), cells_of(study_of())[0], {}, ROOT)
    (tmp_path / f"{key_of(config)}.json").write_text(text)
    with pytest.raises(CheckpointError, match="delete it to run this cell again"):
        Cells(tmp_path).read(config)
