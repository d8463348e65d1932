"""Every how-to is run as a reader would: files written, commands and Python blocks in order."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from docs_pages import DOCS, Block, blocks
from ruamel.yaml import YAML

from dvr_ray.cli.main import app, main
from dvr_ray.config.load import load_run
from generators.commands import commands, options

PAGES = sorted((DOCS / "howto").glob("*.md"))
NEED_RAY = {"sweep", "sharded", "study"}
# Appended to every command that trains, so that a page takes seconds.
BUDGET = [
    "data.users=60", "data.items=50", "training.epochs=3", "training.warmup=1",
    "adapter.masks=2", "valuator.units=4", "encoder.features=[agreement, loss, counts]",
]  # fmt: skip
AUDIT = [
    "training.epochs=3", "training.warmup=1", "adapter.horizon.epochs=1", "adapter.masks=2",
    "valuator.units=4",
]  # fmt: skip
STUDY = [f"run.{each}" for each in BUDGET] + ["seeds=[0]"]
SWEEP = ["tune.trials=2", "tune.final_seeds=1", "tune.scheduler=none"]


class _Reader:
    """Follows a page in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self._names: dict[str, Any] = {"__name__": "page"}

    def follow(self, block: Block) -> None:
        if block.file is not None:
            (self._folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, "page", "exec"), self._names)
        elif block.language == "sh":
            for line in block.text.splitlines():
                self._run(shlex.split(line, comments=True))

    def _run(self, words: list[str]) -> None:
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._monkeypatch.setenv(name, value)
            if name == "PYTHONPATH":
                self._monkeypatch.syspath_prepend(str(self._folder / value))
            return
        assert words[0] == "dvr-ray", words
        budget = {"train": BUDGET, "tune": [*BUDGET, *SWEEP], "audit": AUDIT, "study": STUDY}.get(
            words[1], []
        )
        app([*words[1:], *(w for b in budget for w in ("--set", b))], standalone_mode=False)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=page.stem,
            marks=[pytest.mark.slow, pytest.mark.ray] if page.stem in NEED_RAY else [],
        )
        for page in PAGES
    ],
)
def test_how_to_works_as_written(
    page: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "search_spaces").symlink_to(repository / "search_spaces")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "cache"))
    if page.stem not in NEED_RAY:
        # Tokens are made there; but Ray reads one token a process.
        monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(repository))  # Ray's workers import this checkout
    reader = _Reader(tmp_path, monkeypatch)
    for block in blocks(page):
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_that_need_a_cluster_are_spelt_right(page: Path) -> None:
    """What isn't run is at least parsed: verb and options exist."""
    for block in blocks(page):
        lines = block.text.splitlines() if block.language == "console" else []
        for words in (shlex.split(line.removeprefix("$ ")) for line in lines):
            if words[0] != "dvr-ray":
                continue
            function = commands()[words[1]]
            known = {
                text
                for name, described, _, _ in options(function)
                for text in (f"--{name}", described.default, *(described.param_decls or ()))
            }
            given = {word for word in words[2:] if word.startswith("-")}
            assert given <= known


def test_a_how_to_with_a_wrong_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = _Reader(tmp_path, monkeypatch)
    with pytest.raises(Exception, match="no-such-option"):
        reader.follow(Block("sh", None, "dvr-ray doctor --no-such-option\n"))
    with pytest.raises(AssertionError):
        reader.follow(Block("python", None, "assert False\n"))


def test_configs_on_concept_pages_are_valid(tmp_path: Path) -> None:
    checked = 0
    for page in sorted((DOCS / "concepts").glob("*.md")):
        for block in blocks(page):
            if block.language == "yaml":
                path = tmp_path / "run.yaml"
                path.write_text(block.text, encoding="utf-8")
                load_run(path)
                checked += 1
    assert checked


def test_misspelt_field_of_an_outside_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    reader = _Reader(tmp_path, monkeypatch)
    for block in blocks(DOCS / "howto" / "extend.md"):
        if block.file is not None:
            reader.follow(block)
    content = YAML(typ="safe").load(Path("outside.yaml"))
    content["backbone"]["dmi"] = content["backbone"].pop("dim")
    YAML().dump(content, Path("outside.yaml"))
    monkeypatch.setattr(sys, "argv", ["dvr-ray", "train", "outside.yaml", "--out", "run"])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    message = capsys.readouterr().err
    assert "backbone.dmi" in message and "'dim'" in message
    assert not Path("run").exists()
