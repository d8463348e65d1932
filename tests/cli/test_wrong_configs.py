"""Malformed configs, spaces and requests: one line that names place, rule, value and mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import called, refused

SPACE = """\
name: small
run:
  data: {source: synthetic, users: 60, items: 50}
  training: {epochs: 1, warmup: 1}
  valuator: {depth: 1}
search:
  valuator.depth: {int: [1, 4]}
tune: {objective: ndcg@20, trials: 2}
resources: {workers: 1}
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefg", "bcdefgh", strict=True)
)

WHOLE = {
    "comments only": (b"# nothing\n", ["small.yaml", "empty"]),
    "a list": (b"- 1\n- 2\n", ["small.yaml", "mapping", "list"]),
    "a number": (b"7\n", ["small.yaml", "mapping", "7"]),
    "two documents": (b"run: {}\n---\nrun: {}\n", ["small.yaml:2", "YAML"]),
    "not UTF-8": (b"name: caf\xe9\nrun: {}\n", ["small.yaml:1", "UTF-8", "0xe9"]),
    "UTF-16": ("name: x\nrun: {}\n".encode("utf-16"), ["small.yaml:1", "UTF-8", "0xff"]),
    "a NUL": (b"name: a\x00b\nrun: {}\n", ["small.yaml:1", "YAML"]),
    "tabs": (b"run:\n\tdata: {}\n", ["small.yaml:2", "YAML"]),
    "an open quote": (b"name: 'small\nrun: {}\n", ["small.yaml", "YAML"]),
    "a bomb": (BOMB.encode(), ["small.yaml", "100000 values", "aliases"]),
    "an alias of itself": (b"run: &a\n  data: *a\n", ["small.yaml", "levels deep"]),
    "depth": (b"run: " + b"[" * 400 + b"]" * 400, ["small.yaml", "levels deep"]),
    "size": (b"#" * (1 << 20) + b"\nrun: {}\n", ["small.yaml", "1048576 bytes"]),
    "code by a tag": (
        b"run: !!python/object/apply:os.system ['touch hacked']\n", ["small.yaml:1", "tag"]
    ),
    "binary": (b"name: !!binary aGVsbG8=\nrun: {}\n", ["small.yaml:1", "tag", "binary"]),
    "a merge": (b"a: &a {x: 1}\nrun:\n  <<: *a\n", ["small.yaml:3", "<<"]),
    "a key twice": (
        b"run: {}\nsearch:\n  training.lr: {float: [.1, 1]}\n  training.lr: {float: [.1, 2]}\n",
        ["small.yaml:4", "training.lr", "twice", "line 3"],
    ),
    "a number as key": (b"1: x\nrun: {}\n", ["small.yaml:1", "keys must be text", "1"]),
    "no run": (b"search: {}\n", ["small.yaml", "run", "search"]),
}  # fmt: skip

EDITS = [
    ("name: small", "name: ../small", ["small.yaml:1", "name", "../small"]),
    ("name: small", "name: " + "x" * 65, ["small.yaml:1", "name", "64"]),
    ("users: 60", "users: 1", ["small.yaml:3", "data.users", "1"]),
    ("users: 60", "users: -60", ["small.yaml:3", "data.users", "-60"]),
    ("users: 60", "users: 1000000000000", ["small.yaml:3", "data.users", "1000000000000"]),
    ("items: 50", "items: 1e3", ["small.yaml:3", "data.items", "whole number"]),
    ("items: 50", "items: '50'", ["small.yaml:3", "data.items", "50"]),
    ("items: 50", "items: true", ["small.yaml:3", "data.items", "true"]),
    ("items: 50", "items: 50, path: 7", ["small.yaml:3", "data.path", "7"]),
    ("items: 50", "items: 50, noise: push", ["small.yaml:3", "data.noise", "push"]),
    ("items: 50", "items: 50, noise: {kind: push, share: -1}", ["noise.share", "-1"]),
    ("epochs: 1", "epochs: 1, lr: 0", ["small.yaml:4", "training.lr", "0"]),
    ("epochs: 1", "epochs: 1, lr: .inf", ["small.yaml:4", "finite", ".inf"]),
    ("epochs: 1", "epochs: 1, lr: 1e999", ["small.yaml:4", "finite", "1e999"]),
    ("epochs: 1", "epochs: 1, lr: null", ["small.yaml:4", "training.lr", "null"]),
    ("epochs: 1", "epochs: 1, dtype: float16", ["training.dtype", "float16", "float32"]),
    ("epochs: 1", "epochs: 1, metric: ndcg@0", ["training.metric", "ndcg@0"]),
    ("epochs: 1", "epochs: 1, metric: ndcg@-3", ["training.metric", "ndcg@-3"]),
    ("epochs: 1", "epochs: 1, metric: ndcg@many", ["training.metric", "ndcg@many"]),
    ("depth: 1}", "depth: 99}", ["small.yaml:5", "valuator.depth", "99"]),
    ("depth: 1}", "depth: [1]}", ["small.yaml:5", "valuator.depth", "[1]"]),
    ("run:", "run:\n  seed: -1", ["small.yaml:3", "seed", "-1"]),
    ("run:", "run:\n  policy: {bounds: [.9, .1]}", ["policy", "low < high"]),
    ("run:", "run:\n  policy: {bounds: [.1, .5, .9]}", ["policy.bounds", "0.5"]),
    ("run:", "run:\n  encoder: {features: []}", ["encoder.features", "[]"]),
    ("run:", "run:\n  adapter: {masks: 3, exploration: directional}", ["adapter", "even"]),
    ("run:", "run:\n  backbone: bprmf", ["small.yaml:3", "backbone", "bprmf", "mapping"]),
    ("run:", "run:\n  backbone: {dim: 3}", ["small.yaml:3", "backbone.name"]),
    ("run:", "run:\n  backbone: {name: 'os:system'}", ["backbone.name", "os:system"]),
    ("run:", "run:\n  backbone: {name: 'os:'}", ["backbone.name", "os:"]),
    ("run:", "run:\n  backbone: {name: ease}", ["method.name", "must be bpr", "ease", "dvr"]),
    (
        "epochs: 1, warmup: 1}", "sampling: user}\n  adapter: {horizon: {batches: 1}}",
        ["adapter.horizon.batches", "must be null", "1", "sampling"],
    ),
    ("run:", "run:\n  negatives: {name: 'this is no:module'}", ["negatives.name", "this is no"]),
    ("run:", "run:\n  method: {name: ''}", ["method", "''"]),
    ("search:", "search:\n  training.lr: {float: [1, .1]}", ["small.yaml:7", "training.lr"]),
    ("search:", "search:\n  training.lr: {float: [0, 1], log: true}", ["small.yaml:7", "log"]),
    ("search:", "search:\n  training.lr: {}", ["small.yaml:7", "exactly one"]),
    ("search:", "search:\n  training.lr: [.1, 1]", ["small.yaml:7", "training.lr", "mapping"]),
    ("search:", "search:\n  training.lr: {choice: []}", ["small.yaml:7", "training.lr", "[]"]),
    ("search:", "search:\n  data.users: {int: [60, 90]}", ["small.yaml:7", "data", "once"]),
    ("search:", "search:\n  training: {choice: [1]}", ["small.yaml:7", "training"]),
    ("search:", "search:\n  adapter.masks: {int: [4, 8], step: 3}", ["small.yaml:7", "step"]),
    (
        "search:", "search:\n  method.name: {choice: [dvr, bqr]}",
        ["method.name", "bqr", "known: balanced, bpr"],
    ),
    ("{int: [1, 4]}", "{int: [1, 4], when: {training.lr: []}}", ["training.lr", "[]"]),
    ("{int: [1, 4]}", "{int: [1, 4], when: {valuator.depth: 1}}", ["circle", "valuator.depth"]),
    ("search:\n  valuator.depth: {int: [1, 4]}", "search: {}", ["search", "{}", "train"]),
    ("search:\n  valuator.depth: {int: [1, 4]}", "search: 3", ["search", "3", "mapping"]),
    ("trials: 2", "trials: 0", ["small.yaml:8", "tune.trials", "0"]),
    ("trials: 2", "trials: null", ["small.yaml:8", "minutes"]),
    ("trials: 2", "minutes: 0", ["small.yaml:8", "tune.minutes", "0"]),
    ("trials: 2", "trials: 2, sampler: grid", ["tune.sampler", "grid", "random"]),
    ("trials: 2", "trials: 2, concurrent: 0", ["tune.concurrent", "0"]),
    ("objective: ndcg@20", "objective: []", ["tune", "objective", "[]"]),
    ("objective: ndcg@20", "objective: [ndcg@20, NDCG@20]", ["objective", "distinct"]),
    ("workers: 1}", "workers: 0}", ["small.yaml:9", "resources.workers", "0"]),
    ("workers: 1}", "workers: 1, cpus_per_worker: 0}", ["cpus_per_worker", "0"]),
    ("workers: 1}", "workers: 1}\nreport: {}", ["small.yaml:10", "report"]),
]  # fmt: skip

REQUESTS = [
    (["tune", "{folder}"], ["{folder}", "can't be read"]),
    (["train", "{space}", "--set", "=3"], ["--set", "=3"]),
    (["train", "{space}", "--set", "training.lr=[1"], ["--set training.lr", "[1"]),
    (["train", "{space}", "--set", "training.lr.x=1"],
     ["--set training.lr.x", "must be a number", '{{"x": 1}}']),
    (["train", "{space}", "--set", "trainin.lr=1"], ["--set trainin", "training"]),
    (["train", "{space}", "--set", "name=!!python/name:os.system"], ["--set name", "tag"]),
    (["tune", "{space}", "--set", "search.training.lr={{float: 3}}"], ["training.lr", "3"]),
    (["tune", "{space}", "--set", "search.training.rl={{float: [1, 2]}}"], ["rl", "lr"]),
    (["tune", "{space}", "--set", "valuator.depth=2"], ["search", "{{}}", "train"]),
    (["tune", "{space}", "--trials", "0"], ["--trials", "0"]),
    (["tune", "{space}", "--trials", "x"], ["--trials", "x"]),
    (["tune", "{space}", "--address", "127.0.0.1:1"], ["--address 127.0.0.1:1", "nobody"]),
    (["tune", "{space}", "--address", "no.such.host.invalid:6379"], ["no.such.host.invalid"]),
    (["tune", "{space}", "--address", "6379"], ["--address", "host:port", "6379"]),
    (["tune", "{space}", "--address", ""], ["--address", "host:port", "nothing"]),
    (["train", "{space}", "--workers", "2", "--address", "127.0.0.1:1"], ["127.0.0.1:1"]),
    (["train", "{space}", "--out", "{space}"], ["{space}", "must be a folder"]),
    (["tune", "{space}", "--out", "{space}"], ["{space}", "must be a folder"]),
    (["train", "{space}", "--out", "{space}/below"], ["{space}", "ot a directory"]),
    (["train", "{space}", "--out", "/proc/dvr_ray/out"], ["/proc/dvr_ray", "check path"]),
    (["tune", "{space}", "--out", "/proc/dvr_ray/out"], ["/proc/dvr_ray", "check path"]),
    (["report", "{space}"], ["{space}"]),
    (["report", "{folder}/nothing"], ["{folder}/nothing"]),
    (["train", "{space}", "--set", "split.reward=.4", "--set", "split.selection=.4",
      "--set", "split.test=.4"], ["split", "1.2"]),
    (["train", "{space}", "--set", "data.noise={{kind: push, share: .2, targets: 49}}"],
     ["data.noise.targets", "49"]),
    (["train", "{space}", "--set", "data.noise={{kind: push, share: .0001}}"],
     ["data.noise.share", "0.0001"]),
    (["train", "{space}", "--set", "data.items=2"], ["reward part", "none of 60"]),
    (["train", "{space}", "--set", "data.items=12",
      "--set", "data.noise={{kind: uniform, share: 5}}"], ["noise", "share"]),
]  # fmt: skip


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    path = tmp_path / "small.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return path


@pytest.mark.parametrize("case", WHOLE)
def test_wrong_file(case: str, space: Path) -> None:
    content, wanted = WHOLE[case]
    space.write_bytes(content)
    refused(space.parent, wanted, "tune", space, "--out", space.parent / "out")


@pytest.mark.parametrize(("old", "new", "wanted"), EDITS, ids=[edit[1][:60] for edit in EDITS])
def test_wrong_field(old: str, new: str, wanted: list[str], space: Path) -> None:
    assert SPACE.count(old) == 1
    space.write_text(SPACE.replace(old, new), encoding="utf-8")
    refused(space.parent, wanted, "tune", space, "--out", space.parent / "out")


@pytest.mark.parametrize(
    ("arguments", "wanted"), REQUESTS, ids=[" ".join(request[0])[:60] for request in REQUESTS]
)
def test_wrong_request(arguments: list[str], wanted: list[str], space: Path) -> None:
    folder = space.parent / "folder"
    folder.mkdir()
    filled = [a.format(space=space, folder=folder) for a in arguments]
    refused(space.parent, [part.format(space=space, folder=folder) for part in wanted], *filled)


@pytest.mark.parametrize("outside", ["raise RuntimeError('no')", "def (", "Sampler = 3"])
def test_broken_component_outside(
    outside: str, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(space.parent)
    name = f"broken_{abs(hash(outside))}"
    (space.parent / f"{name}.py").write_text(outside)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    chosen = f"negatives.name={name}:Sampler"
    refused(space.parent, ["negatives.name", name], "train", space, "--set", chosen)


@pytest.mark.parametrize("name", ["BOM", "CRLF", "both"])
def test_marks_of_windows_are_read(name: str, space: Path) -> None:
    text = SPACE if name == "BOM" else SPACE.replace("\n", "\r\n")
    space.write_bytes((b"" if name == "CRLF" else b"\xef\xbb\xbf") + text.encode())
    code, said = called("train", space, "--out", space.parent / "out", "--set", "method.name=bpr")
    assert code == 0, said


def test_cutoff_beyond_the_catalogue_ranks_all_items(space: Path) -> None:
    """50 items, K = 1000: every relevant item is in the list, so that recall is 1."""
    code, said = called(
        "train", space, "--out", space.parent / "out", "--set", "training.metric=recall@1000",
        "--set", "adapter.reward=ndcg@1000", "--set", "training.epochs=3",
    )  # fmt: skip
    assert code == 0, said
    assert "recall@1000 1.0000" in said
