"""Malformed logs: one line that names file and line, rule, value and mend; nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import called, refused

ROWS = "".join(f"{u} {' '.join(str((u + k) % 20) for k in range(12))}\n" for u in range(30))

LIGHTGCN = {
    "nothing": (b"", ["train.txt", "empty"]),
    "blank lines": (b"\n  \n\n", ["train.txt", "no interactions"]),
    "users without items": (b"0\n1\n2\n", ["train.txt", "no interactions"]),
    "a word": (b"0 1 2\n1 pop 3\n", ["train.txt:2", "integer", "'pop'"]),
    "a fraction": (b"0 1 2\n1 2.5 3\n", ["train.txt:2", "integer", "'2.5'"]),
    "a negative id": (b"0 1\n1 2\n-7 3\n", ["train.txt:3", "0..2147483647", "-7"]),
    "an id above 2^31": (b"0 1\n1 2147483648\n", ["train.txt:2", "2147483648"]),
    "an id above 2^64": (b"0 1\n1 99999999999999999999999\n", ["train.txt:2", "0..2147483647"]),
    "ten thousand digits": (b"0 1\n1 " + b"9" * 10_000 + b"\n", ["train.txt:2", "9999"]),
    "commas": (b"0,1,2\n1,2,3\n", ["train.txt:1", "'0,1,2'"]),
    "not UTF-8": (b"0 1\n1 \xff\xfe\n", ["train.txt:2", "integer"]),
    "UTF-16": ("0 1\n1 2\n".encode("utf-16"), ["train.txt:1", "integer"]),
    "a NUL": (b"0 1\n1 2\x003\n", ["train.txt:2", "integer"]),
    "a header": (b"user items\n0 1 2\n", ["train.txt:1", "'user'"]),
    "other digits": ("0 1\n1 \u0662\n".encode(), ["train.txt:2", "integer"]),
}  # fmt: skip

HETREC = {
    "two columns": (b"1\t2\n", ["data1.txt:1", "3 fields", "got 2"]),
    "spaces": (b"1 2 3\n", ["data1.txt:1", "3 fields", "got 1"]),
    "columns swapped": (b"1\t2\t35\n3.2466e+05\t1\t2\n", ["data1.txt:2", "integer", "3.2466e+05"]),
    "plays unknown": (b"1\t2\t35\n1\t3\tmany\n", ["data1.txt:2", "plays", "'many'"]),
    "plays not finite": (b"1\t2\tnan\n", ["data1.txt:1", "plays", "nan"]),
    "a header": (b"userID\tartistID\tweight\n1\t2\t3\n", ["data1.txt:1", "'userID'"]),
    "a negative id": (b"1\t2\t3\n1\t-2\t3\n", ["data1.txt:2", "-2"]),
    "an id above 2^31": (b"3000000000\t2\t3\n", ["data1.txt:1", "3000000000"]),
    "not UTF-8": (b"1\t2\t3\n1\t\xe9\t3\n", ["data1.txt:2", "UTF-8", "0xe9"]),
}

# Files that can be read, and still can't be trained on: config, train.txt, test.txt.
UNFIT = {
    "one item": ("0 0\n1 0\n2 0\n3 0\n4 0\n", None, ["part", "rows"]),
    "one row": ("0 0\n", None, ["part", "rows", "1"]),
    "test rows that are training rows": (
        ROWS,
        "0 0 1 2\n",
        ["test.txt", "3 rows", "training rows"],
    ),
    "an empty test file": (ROWS, "", ["test.txt", "empty"]),
    "a test file without rows": (ROWS, "3\n", ["test.txt", "no interactions"]),
}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "log"
    folder.mkdir()
    (tmp_path / "run.yaml").write_text(
        "data: {source: lightgcn, path: log}\nmethod: {name: bpr}\ntraining: {epochs: 2}\n"
    )
    return folder


def _train(log: Path) -> list[object]:
    return ["train", log.parent / "run.yaml", "--out", log.parent / "out"]


@pytest.mark.parametrize("case", LIGHTGCN)
def test_wrong_lightgcn(case: str, log: Path) -> None:
    content, wanted = LIGHTGCN[case]
    (log / "train.txt").write_bytes(content)
    refused(log.parent, wanted, "data", "describe", log)
    refused(log.parent, wanted, *_train(log))


@pytest.mark.parametrize("case", HETREC)
def test_wrong_hetrec(case: str, log: Path) -> None:
    content, wanted = HETREC[case]
    (log / "data1.txt").write_bytes(content)
    refused(log.parent, wanted, "data", "describe", log)


@pytest.mark.parametrize("case", UNFIT)
def test_log_that_cannot_be_trained_on(case: str, log: Path) -> None:
    train, test, wanted = UNFIT[case]
    (log / "train.txt").write_text(train)
    if test is not None:
        (log / "test.txt").write_text(test)
    refused(log.parent, wanted, *_train(log))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("../../no/where", ["no/where", "no such folder", "data.path"]),
        ("run.yaml", ["run.yaml/train.txt", "needs this file", "data.path"]),
        ("log", ["train.txt", "lightgcn needs this file"]),
        ("../../../../../../etc", ["/etc/train.txt", "lightgcn needs this file"]),
    ],
)
def test_wrong_path(path: str, wanted: list[str], log: Path) -> None:
    refused(log.parent, wanted, *_train(log), "--set", f"data.path={path}")


def test_folder_as_file(log: Path) -> None:
    (log / "train.txt").mkdir()
    refused(log.parent, ["train.txt"], *_train(log))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n" + text.replace("\n", "\n\n"),
        lambda text: text + text,
        lambda text: text + "30\n31\n",
        lambda text: text.splitlines()[0],
        lambda text: text.removesuffix("\n"),
    ],
    ids=[
        "BOM",
        "CRLF",
        "blank lines",
        "rows twice",
        "users without items",
        "one user",
        "no last newline",
    ],
)
def test_what_is_no_mistake_is_read(change: object, log: Path) -> None:
    assert callable(change)
    (log / "train.txt").write_text(change(ROWS), encoding="utf-8", newline="")
    code, said = called(*_train(log))
    assert code == 0, said
    assert "training rows" in said


def test_log_of_nothing_but_noise_is_trained_on(log: Path) -> None:
    """Every pair is drawn at random, and five times as many rows are planted as there are."""
    (log / "train.txt").write_text("".join(f"{u} {u} {(7 * u + 1) % 40}\n" for u in range(40)))
    code, said = called(
        *_train(log), "--set", "data.noise={kind: uniform, share: 5}", "--set", "method.name=dvr",
        "--set", "training.warmup=1", "--set", "valuator.units=4",
    )  # fmt: skip
    assert code == 0, said
