"""Files that extend others: what is merged, what is taken whole, and where mistakes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.config.document import read_document
from dvr_ray.config.extending import read_extended
from dvr_ray.config.load import dump, load_run, load_space
from dvr_ray.errors import ConfigError

BASE = """
name: base
run:
  data: {source: lightgcn, path: logs}
  negatives: {name: uniform, count: 4}
  training: {epochs: 7, lr: 0.01}
search:
  training.lr: {float: [1.0e-3, 1.0e-1], log: true}
  training.l2: {float: [1.0e-3, 1.0e-1]}
tune: {trials: 9}
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    write(
        tmp_path,
        base=BASE,
        own="extends: base.yaml\nname: own\nrun:\n  training: {epochs: 3}\ntune: {final_seeds: 5}",
    )
    space = load_space(tmp_path / "own.yaml")
    assert space.name == "own"
    assert (space.run.training.epochs, space.run.training.lr) == (3, 0.01)
    assert (space.tune.trials, space.tune.final_seeds) == (9, 5)
    assert set(space.search) == {"training.lr", "training.l2"}


def test_later_files_override_earlier_ones(tmp_path: Path) -> None:
    write(
        tmp_path,
        first="seed: 1\ntraining: {epochs: 3, lr: 0.5}",
        second="seed: 2\ntraining: {epochs: 4}",
        own="extends: [first.yaml, second.yaml]\ntraining: {warmup: 1}",
    )
    run = load_run(tmp_path / "own.yaml")
    assert run.seed == 2
    assert (run.training.epochs, run.training.lr, run.training.warmup) == (4, 0.5, 1)


def test_files_named_beside_the_first_override_it(tmp_path: Path) -> None:
    own = "name: own\nrun:\n  negatives: {name: uniform}\nsearch: {training.l2: null}\n"
    write(tmp_path, base=BASE, own=own, last="name: z")
    more = [tmp_path / "own.yaml", tmp_path / "last.yaml"]
    space = load_space(tmp_path / "base.yaml", ["training.epochs=2"], more)
    assert (space.name, space.run.training.epochs, space.run.negatives.params) == ("z", 2, {})
    assert set(space.search) == {"training.lr"}


def test_a_named_part_and_a_searched_field_are_taken_whole(tmp_path: Path) -> None:
    own = "extends: base.yaml\nrun:\n  negatives: {name: uniform}\nsearch:\n"
    own += "  training.lr: {float: [1.0e-2, 1.0e-1]}\n  training.l2: null\n"
    write(tmp_path, base=BASE, own=own)
    space = load_space(tmp_path / "own.yaml")
    assert space.run.negatives.params == {}
    assert set(space.search) == {"training.lr"}
    assert not space.search["training.lr"].log


def test_fields_of_a_part_without_its_name_are_merged(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, own="extends: base.yaml\nrun:\n  negatives: {count: 2}\n")
    assert load_space(tmp_path / "own.yaml").run.negatives.params == {"count": 2}


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, below__base=BASE, own="extends: below/base.yaml\n")
    assert load_space(tmp_path / "own.yaml").run.data.path == str(tmp_path / "below" / "logs")


def test_a_mistake_is_shown_where_it_was_written(tmp_path: Path) -> None:
    own = "extends: base.yaml\nrun:\n  training: {lr: 0.02}\n"
    write(tmp_path, base=BASE.replace("epochs: 7", "epochs: 0"), own=own)
    with pytest.raises(ConfigError) as found:
        load_space(tmp_path / "own.yaml")
    assert str(found.value).startswith(f"{tmp_path / 'base.yaml'}:6: run.training.epochs")
    write(tmp_path, base=BASE, own=own.replace("0.02", "0"))
    with pytest.raises(ConfigError) as found:
        load_space(tmp_path / "own.yaml")
    assert str(found.value).startswith(f"{tmp_path / 'own.yaml'}:3: run.training.lr")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: own.yaml", r"own.yaml:1: extends: a file can't extend itself"),
        ("extends: other.yaml", r"other.yaml:1: extends: a file can't extend itself"),
        ("extends: gone.yaml", r"gone.yaml: no such file"),
        ("extends: 3", r"own.yaml:1: extends: must name files, got 3"),
        ("extends: {a: b}", r"own.yaml:1: extends: must name files"),
    ],
)
def test_wrong_extensions_are_refused(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, own=text, other="extends: own.yaml")
    with pytest.raises(ConfigError, match=said):
        load_run(tmp_path / "own.yaml")


def test_what_is_written_down_extends_nothing(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, own="extends: base.yaml\nname: own")
    space = load_space(tmp_path / "own.yaml")
    dump(space, tmp_path / "whole.yaml")
    assert "extends" not in read_document(tmp_path / "whole.yaml").content
    assert load_space(tmp_path / "whole.yaml") == space


def test_a_file_alone_is_itself(tmp_path: Path) -> None:
    write(tmp_path, own=BASE)
    content = read_extended(tmp_path / "own.yaml").content
    content["run"]["data"]["path"] = "logs"
    assert content == read_document(tmp_path / "own.yaml").content
