"""A working folder and its copy in a storage, which is sound whenever copying is cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from storages import Faulty, Machine

from dvr_ray.errors import StorageError
from dvr_ray.storage import Mirror, Upload, upload

RUN = "trials/aa"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def checkpoint(run: Path, epoch: int, text: str = "") -> None:
    """A checkpoint put in place as a whole, and the rows up to it."""
    rows = "".join(f'{{"epoch": {each + 1}}}\n' for each in range(epoch))
    write(run, **{"config.yaml": "seed: 0\n", "metrics.jsonl": rows})
    made = run / "checkpoints" / f"epoch-{epoch:06d}"
    shutil.rmtree(made, ignore_errors=True)
    write(made, **{"state.safetensors": f"weights {epoch} {text}", "state.json": f"{epoch} {text}"})


def sweep(folder: Path) -> None:
    """What a sweep leaves: a trial that goes on, one that ended, and what lies beside them."""
    checkpoint(folder / RUN, 1)
    checkpoint(folder / RUN, 2)
    checkpoint(folder / "trials/bb", 3)
    write(folder / "trials/bb", **{"model.safetensors": "model", "result.json": "{}"})
    write(folder, **{"ray__searcher.pkl": "aa bb", "manifest.json": "{}", "final.json": "{}"})
    write(folder, **{"trials.csv": "trial\n", ".lock": "", "ray__.tune__big": "x"})


def seen(folder: Path) -> dict[str, str]:
    """Files that aren't hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    }


def sound(there: Path) -> None:
    """What must hold of a copy at any moment."""
    found = seen(there)
    for name, text in found.items():
        folder, _, last = name.rpartition("/")
        if last == "state.json":
            assert found[f"{folder}/state.safetensors"] == f"weights {text}"
            rows = found[f"{folder.split('/checkpoints')[0]}/metrics.jsonl"].splitlines()
            assert json.loads(rows[-1])["epoch"] >= int(text.split()[0])
        if last == "result.json":
            assert f"{folder}/model.safetensors" in found
        if last == "searcher.pkl":
            assert "trials/bb/result.json" in found
        if last == "final.json":
            assert "manifest.json" in found


def at(there: Path) -> Mirror:
    return Mirror.here(f"file://{there}")


def test_another_machine_gets_what_was_pushed(there: Path, machine: Machine) -> None:
    sweep(at(there).folder)
    at(there).push(deep=True)
    wanted = seen(at(there).folder)
    assert seen(there) == wanted and len(wanted) == 16
    machine("second")
    at(there).fetch()
    assert seen(at(there).folder) == wanted
    machine("third")
    at(there).fetch(light=True)
    assert seen(at(there).folder) == {n: t for n, t in wanted.items() if "checkpoints" not in n}


def test_only_what_changed_is_pushed(there: Path, machine: Machine, faulty: Faulty) -> None:
    mirror = at(there)
    sweep(mirror.folder)
    mirror.push(deep=True)
    faulty.fail(good=-1)
    mirror.push(deep=True)
    assert faulty.sent == []
    # A run is pushed by whoever trains it.
    checkpoint(mirror.folder / RUN, 3)
    write(mirror.folder, **{"trials.csv": "trial\n0\n"})
    mirror.push()
    assert faulty.sent == ["trials.csv"]
    mirror.of(mirror.folder / RUN).push()
    new = {"metrics.jsonl", "config.yaml", *(f"checkpoints/epoch-000003/state.{e}" for e in
                                             ("json", "safetensors"))}  # fmt: skip
    assert set(faulty.sent[1:]) == new and faulty.sent[-1].endswith("state.json")
    shutil.rmtree(mirror.folder / RUN / "checkpoints" / "epoch-000001")
    mirror.push(deep=True)
    assert seen(there) == seen(mirror.folder)


def test_a_copy_that_is_cut_short_is_sound(there: Path, machine: Machine, faulty: Faulty) -> None:
    mirror = at(there)
    sweep(mirror.folder)
    cuts = 0
    while True:
        faulty.fail(good=1)
        try:
            mirror.push(deep=True)
            break
        except StorageError:
            cuts += 1
            sound(there)
    assert cuts == 15 and seen(there) == seen(mirror.folder)
    # A checkpoint that is trained again, and an old one that goes.
    checkpoint(mirror.folder / RUN, 2, "again")
    shutil.rmtree(mirror.folder / RUN / "checkpoints" / "epoch-000001")
    faulty.fail(good=3)
    with pytest.raises(StorageError):
        mirror.push(deep=True)
    sound(there)
    faulty.fail(good=-1)
    mirror.push(deep=True)
    sound(there)
    assert seen(there) == seen(mirror.folder)


def test_half_a_checkpoint_is_left_where_it_is(there: Path, machine: Machine) -> None:
    checkpoint(there / RUN, 1)
    (there / RUN / "checkpoints/epoch-000001/state.json").unlink()
    at(there).fetch()
    assert set(seen(at(there).folder)) == {f"{RUN}/config.yaml", f"{RUN}/metrics.jsonl"}


def test_each_side_keeps_what_changed_on_it_alone(there: Path, machine: Machine) -> None:
    first = at(there)
    sweep(first.folder)
    first.push(deep=True)
    machine("second")
    second = at(there)
    second.fetch()
    checkpoint(second.folder / RUN, 3)
    shutil.rmtree(second.folder / RUN / "checkpoints" / "epoch-000001")
    second.push(deep=True)
    machine("first")
    # Not copied before the first machine was lost for a while.
    write(first.folder, **{"trials.csv": "trial\n0\n", "best.yaml": "seed: 0\n"})
    first.fetch()
    found = seen(first.folder)
    assert found["trials.csv"] == "trial\n0\n" and "best.yaml" in found
    assert f"{RUN}/checkpoints/epoch-000003/state.json" in found
    assert not (first.folder / RUN / "checkpoints" / "epoch-000001").exists()
    assert set(first.left()) == {"trials.csv", "best.yaml"}


def test_a_kill_in_the_midst_leaves_whole_files(there: Path, machine: Machine) -> None:
    mirror = at(there)
    write(mirror.folder, **{f"part-{k:02d}.bin": str(k) * 400_000 for k in range(30)})
    write(mirror.folder, **{"values.json": "{}"})
    code = (
        "import sys, time\nfrom dvr_ray.storage import Mirror, address\n"
        "copy = address.shutil.copyfileobj\n"
        "def slow(source, target, size):\n"
        "    while piece := source.read(size):\n        target.write(piece); time.sleep(0.005)\n"
        "address.shutil.copyfileobj = slow\naddress.PIECE = 1 << 15\n"
        "print('on', flush=True)\nMirror(sys.argv[1]).push()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, f"file://{there}"], stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 100
        while len(seen(there)) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    wanted, found = seen(mirror.folder), seen(there)
    assert process.returncode == -signal.SIGKILL
    assert 3 <= len(found) < len(wanted) and "values.json" not in found
    assert all(wanted[name] == text for name, text in found.items())
    mirror.push()
    assert seen(there) == wanted


def test_a_fault_is_tried_again(
    there: Path, machine: Machine, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "REST_SECONDS", 0.01)
    sweep(at(there).folder)
    faulty.fail(bad=2)
    with Upload(at(there), driver=True) as copying:
        copying.soon()
        deadline = time.monotonic() + 20
        while not (there / "final.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (there / "final.json").exists() and not (there / RUN).exists()
    assert seen(there) == seen(at(there).folder)


def test_a_fault_that_stays_is_told_where_the_files_would_be_lost(
    there: Path, machine: Machine, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "PATIENCE_SECONDS", 0.0)
    whole = at(there)
    checkpoint(whole.folder / RUN, 1)
    run = whole.of(whole.folder / RUN)
    faulty.fail()
    with pytest.raises(StorageError, match="unplugged"), Upload(whole, driver=True):
        pass
    with Upload(run):
        pass  # the driver will copy it
    machine("second")
    checkpoint(run.folder, 1)
    with pytest.raises(StorageError, match="unplugged"), Upload(run):
        pass
    with pytest.raises(KeyError), Upload(run):
        raise KeyError
