"""A wrong search section is refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.config.load import load_space
from dvr_ray.errors import ConfigError

HEAD = """\
run:
  backbone: {name: bprmf, dim: 32}
  valuator: {depth: 1}
  policy:
    temperature: 0.25
search:
"""


def load(folder: Path, *lines: str, run: str = "") -> None:
    path = folder / "x.yaml"
    head = HEAD.replace("  policy:", f"  {run}\n  policy:") if run else HEAD
    path.write_text(head + "".join(f"  {line}\n" for line in lines), encoding="utf-8")
    load_space(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["valuator.depth: {int: [1, 8]}"],
        ["valuator.depth: {int: [1, 1]}"],
        ["valuator.lr: {float: [1e-4, 1e-2], log: true}"],
        ["valuator.weight_decay: {int: [0, 9], step: 3}"],
        ["valuator.bias: {choice: [true, false]}"],
        ["policy.bounds: {choice: [[0.05, 0.95], [0.1, 0.9]]}"],
        ["encoder.features: {choice: [[loss], [agreement, neighbourhood, loss, overlap, "
         "coherence, counts]]}"],
        ["adapter.users: {choice: [all, 100]}"],
        ["adapter.horizon.epochs: {int: [1, 4]}"],
        ["backbone.dim: {choice: [16, 32]}"],
        ["backbone.layers: {int: [1, 3], when: {backbone.name: lightgcn}}"],
        ["backbone.name: {choice: [bprmf, lightgcn]}",
         "backbone.layers: {int: [1, 3], when: {backbone.name: lightgcn}}"],
        ["policy.keep_rate: {float: [0.5, 0.7], when: {policy.normalisation: centred}}"],
        ["adapter.masks: {int: [1, 8], when: {adapter.baseline: [none, average]}}"],
        ["adapter.masks: {int: [2, 8], step: 2}",
         "adapter.exploration: {choice: [independent, directional]}"],
    ],
)  # fmt: skip
def test_legal_search_loads(tmp_path: Path, lines: list[str]) -> None:
    load(tmp_path, *lines)


def test_condition_may_ask_for_what_only_its_field_makes_legal(tmp_path: Path) -> None:
    """The run has one mask, which leave-one-out forbids; the searched masks allow it."""
    own = "adapter: {masks: 1, baseline: none}"
    when = "when: {adapter.baseline: leave-one-out}"
    load(tmp_path, f"adapter.masks: {{int: [2, 8], {when}}}", run=own)
    with pytest.raises(ConfigError, match=r"reaches 1, baseline leave-one-out needs masks >= 2"):
        load(tmp_path, f"adapter.masks: {{int: [1, 8], {when}}}", run=own)


FAULTS: list[tuple[str, str, list[str]]] = [
    # the line, its place, words
    ("valuator.dept: {int: [1, 2]}", "7: search.valuator.dept",
     ["unknown field 'valuator.dept'", "'valuator.depth'"]),
    ("depth: {int: [1, 2]}", "7: search.depth", ["'depth'", "'valuator.depth'"]),
    ("valuator: {int: [1, 2]}", "7: search.valuator", ["unknown field 'valuator'", "did you mean"]),
    ("backbone.dim.x: {int: [1, 2]}", "7: search.backbone.dim.x", ["unknown", "backbone.dim.x"]),
    ("backbone.: {int: [1, 2]}", "7: search.backbone.", ["unknown field 'backbone.'"]),
    ("run.seed: {int: [1, 2]}", "7: search.run.seed", ["unknown field 'run.seed'", "'seed'"]),
    ("data.users: {int: [5, 1000]}", "7: search.data.users", ["can't be searched", "run.data"]),
    ("split.seed: {int: [0, 1]}", "7: search.split.seed", ["can't be searched", "prepared once"]),
    ("valuator.depth: {itn: [1, 2]}", "7: search.valuator.depth.itn", ["[1, 2]", "'int'"]),
    ("valuator.depth: {int: [1, 2], lg: true}", "7: search.valuator.depth.lg", ["true", "'log'"]),
    ("valuator.depth: [1, 2]", "7: search.valuator.depth", ["mapping", "[1, 2]", "choice"]),
    ("valuator.depth: {}", "7: search.valuator.depth", ["exactly one of int, float", "got 0"]),
    ("valuator.depth: {int: [2, 1]}", "7: search.valuator.depth", ["not exceed", "[2, 1]"]),
    ("valuator.depth: {int: [1]}", "7: search.valuator.depth.int.1", ["must be given"]),
    ("valuator.depth: {int: [1, 2, 3]}", "7: search.valuator.depth.int", ["at most 2", "3]"]),
    ("valuator.depth: {int: [1, 2.5]}", "7: search.valuator.depth.int.1", ["whole number", "2.5"]),
    ("valuator.depth: {int: ['1', 2]}", "7: search.valuator.depth.int.0", ["whole", '"1"']),
    ("valuator.depth: {int: [1, 4], step: 0}", "7: search.valuator.depth.step", [">= 1", "got 0"]),
    ("valuator.depth: {int: [1, 4], step: 2}", "7: search.valuator.depth", ["lead", "step: 2"]),
    ("valuator.lr: {float: [0, 1], log: true}", "7: search.valuator.lr", ["above 0", "[0.0, 1.0]"]),
    ("valuator.lr: {choice: []}", "7: search.valuator.lr.choice", ["at least 1", "got []"]),
    ("valuator.depth: {int: [0, 4]}", "7: search.valuator.depth",
     ["range [0, 4] reaches 0, must be >= 1"]),
    ("valuator.depth: {int: [1, 9]}", "7: search.valuator.depth", ["reaches 9, must be <= 8"]),
    ("valuator.depth: {float: [1, 4]}", "7: search.valuator.depth",
     ["[1.0, 4.0] reaches 1.0, must be a whole number"]),
    ("valuator.depth: {choice: [1, two]}", "7: search.valuator.depth",
     ['choice [1, "two"] reaches "two", must be a whole number']),
    ("valuator.lr: {float: [0, 1]}", "7: search.valuator.lr", ["reaches 0.0, must be > 0"]),
    ("valuator.bias: {choice: [true, 0]}", "7: search.valuator.bias", ["reaches 0", "true or"]),
    ("policy.normalisation: {choice: [sigmoid, sigmod]}", "7: search.policy.normalisation",
     ['reaches "sigmod"', "did you mean 'sigmoid'"]),
    ("policy.bounds: {choice: [[0.05, 0.95], [0.9, 0.1]]}", "7: search.policy.bounds",
     ["reaches [0.9, 0.1]", "low < high"]),
    ("adapter.masks: {int: [1, 8]}", "7: search.adapter.masks",
     ["[1, 8] reaches 1", "leave-one-out needs masks >= 2", "`when`"]),
    ("backbone.layers: {int: [1, 3]}", "7: search.backbone.layers",
     ["run.backbone.layers isn't given", "write run.backbone.layers"]),
    ("policy.temperature: {float: [0.3, 1]}", "5: run.policy.temperature",
     ["own range [0.3, 1.0]", "got 0.25"]),
    ("valuator.depth: {int: [2, 4]}", "3: run.valuator.depth", ["own range [2, 4]", "got 1"]),
    ("policy.bounds: {choice: [[0.1, 0.9]]}", "4: run.policy.bounds",
     ["own choice [[0.1, 0.9]]", "got [0.05, 0.95]"]),
    ("backbone.dim: {choice: [16, 64]}", "2: run.backbone.dim", ["own choice [16, 64]", "got 32"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "place", "words"), FAULTS)
def test_wrong_field_is_named_with_line_value_and_mend(
    tmp_path: Path, line: str, place: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, line)
    assert caught.value.place == f"{tmp_path / 'x.yaml'}:{place}"
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


CONDITIONS: list[tuple[str, str, list[str]]] = [
    ("{valuator.dept: 1}", "valuator.dept", ["unknown field", "'valuator.depth'"]),
    ("{method: dvr}", "method", ["unknown field 'method'", "'method.name'"]),
    ("{policy.normalisation: sigmod}", "policy.normalisation", ['got "sigmod"', "'sigmoid'"]),
    ("{policy.normalisation: [sigmoid, centerd]}", "policy.normalisation",
     ['got "centerd"', "did you mean 'centred'"]),
    ("{valuator.depth: 9}", "valuator.depth", ["must be <= 8", "got 9"]),
    ("{valuator.depth: [4, 5]}", "valuator.depth", ["valuator.depth's range [1, 4]", "got 5"]),
    ("{valuator.depth: []}", "valuator.depth", ["must name a value", "got []"]),
]  # fmt: skip


@pytest.mark.parametrize(("when", "path", "words"), CONDITIONS)
def test_wrong_condition_is_named(tmp_path: Path, when: str, path: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "valuator.depth:", "  int: [1, 4]", "valuator.steps:", "  int: [1, 30]",
             f"  when: {when}")  # fmt: skip
    assert caught.value.place == f"{tmp_path / 'x.yaml'}:11: search.valuator.steps.when.{path}"
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_condition_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"valuator\.depth\.when: must be a mapping, got 3"):
        load(tmp_path, "valuator.depth: {int: [1, 4], when: 3}")


def test_circle_is_named_with_its_fields(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "valuator.depth: {int: [1, 4], when: {valuator.units: 32}}",
             "valuator.units: {int: [1, 32], when: {valuator.depth: 1}}")  # fmt: skip
    assert caught.value.place == f"{tmp_path / 'x.yaml'}:6: search"
    assert "valuator.depth" in caught.value.rule
    assert "valuator.units" in caught.value.rule


def test_own_value_of_a_field_that_is_not_searched_here_may_lie_outside(tmp_path: Path) -> None:
    """The run is sigmoid with keep_rate 0.8; the range holds for centred runs only."""
    field = "policy.keep_rate: {float: [0.1, 0.5], when: {policy.normalisation: centred}}"
    load(tmp_path, field)
    with pytest.raises(ConfigError, match=r"own range \[0.1, 0.5\], got 0.8"):
        load(tmp_path, field.replace(": centred", ": sigmoid"))
