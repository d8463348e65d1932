"""What lies in a storage is read as local files, copied once for a state of it."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from refusals import refusal

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.errors import StorageError
from dvr_ray.storage import Storage, fetched, is_address

LOG = "user,item\n" + "".join(f"{u},{i}\n" for u in range(8) for i in range(u, u + 5))


@pytest.fixture
def log(there: Path, machine: object) -> Path:
    folder = there / "log"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden" / "x").write_text("not to be seen")
    with gzip.open(folder / "train.csv.gz", "wt") as file:
        file.write(LOG)
    return folder


def test_a_folder_comes_as_it_is_and_once(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fetched(f"file://{log}")
    assert found.name == "log" and found != log
    assert [path.name for path in found.rglob("*")] == ["train.csv.gz"]
    # Compressed as it was.
    assert (found / "train.csv.gz").read_bytes() == (log / "train.csv.gz").read_bytes()
    monkeypatch.setattr(Storage, "download", None)
    assert fetched(f"file://{log}") == found


def test_a_log_in_a_storage_is_the_log(log: Path) -> None:
    far = load_dataset(DataConfig(source="table", path=f"file://{log}"))
    near = load_dataset(DataConfig(source="table", path=str(log), cache=False))
    assert far.fingerprint == near.fingerprint and far.name == near.name == "log"
    one = load_dataset(DataConfig(source="table", path=f"file://{log}/train.csv.gz"))
    assert (one.interactions.keys == near.interactions.keys).all()


def test_what_changed_there_is_fetched_anew(log: Path) -> None:
    before = fetched(f"file://{log}")
    with gzip.open(log / "train.csv.gz", "wt") as file:
        file.write(LOG + "9,9\n")
    after = fetched(f"file://{log}")
    assert (after / "train.csv.gz").read_bytes() == (log / "train.csv.gz").read_bytes()
    assert after != before and not before.exists()


def test_what_changes_meanwhile_is_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download = Storage.download

    def changing(self: Storage, name: str, target: Path) -> None:
        download(self, name, target)
        with (log / "train.csv.gz").open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(Storage, "download", changing)
    with pytest.raises(StorageError, match="changed while"):
        fetched(f"file://{log}")


def test_two_at_once_fetch_once(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download, copied, found = Storage.download, [], []

    def slow(self: Storage, name: str, target: Path) -> None:
        copied.append(name)
        time.sleep(0.2)
        download(self, name, target)

    monkeypatch.setattr(Storage, "download", slow)
    both = [threading.Thread(target=lambda: found.append(fetched(f"file://{log}"))) for _ in "12"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert found[0] == found[1] and copied == ["train.csv.gz"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("ftp://host/log", ["run.yaml:1", "data.path", "ftp://", "s3://"]),
        ("s3://me:hidden@bucket/log", ["run.yaml:1", "password", "***", "AWS_ACCESS_KEY_ID"]),
        ("file:///nowhere/log", ["run.yaml:1: data.path", "file:///nowhere/log", "no such folder"]),
    ],
)
def test_a_wrong_address_is_told_with_its_line(
    path: str, wanted: list[str], tmp_path: Path, machine: object
) -> None:
    (tmp_path / "run.yaml").write_text(f"data: {{source: table, path: '{path}'}}\n")
    line = refusal("train", tmp_path / "run.yaml", "--out", tmp_path / "run")
    assert all(part in line for part in wanted), line
    assert "hidden" not in line
    assert not (tmp_path / "run").exists()


def test_an_option_that_names_a_wrong_address_is_told(tmp_path: Path, machine: object) -> None:
    (tmp_path / "run.yaml").write_text("data: {source: table}\n")
    line = refusal(
        "train",
        tmp_path / "run.yaml",
        "--set",
        "data.path=file:///nowhere",
        "--out",
        tmp_path / "r",
    )
    assert line.startswith("--set data.path: file:///nowhere: no such folder or file;")


@pytest.mark.parametrize(
    ("said", "rule", "mend"),
    [
        ("AWS Error NO_SUCH_BUCKET during ListObjectsV2", "no such bucket", "check its name"),
        ("AWS Error ACCESS_DENIED during HeadObject", "access is refused", "AWS_ACCESS_KEY_ID"),
        ("curlCode: 6, Could not resolve host: b.s3", "can't be reached", "check the network"),
        ("something new", "can't be used (something new)", "check the address"),
    ],
)
def test_faults_of_storages_are_told_with_their_mend(said: str, rule: str, mend: str) -> None:
    def broken(paths: list[str]) -> None:
        raise OSError(said)

    storage = Storage("s3://key:hidden@bucket/x", SimpleNamespace(get_file_info=broken), "x")
    with pytest.raises(StorageError) as found:
        storage.stamps(["y"])
    line = str(found.value)
    assert rule in line and mend in line and "hidden" not in line


def test_addresses_are_told_from_paths() -> None:
    assert is_address("s3://bucket/x") and is_address("GS://x")
    assert not any(map(is_address, ["/a/b", "a", "C:/x", "./s3:/x", "runs/a://b"]))
