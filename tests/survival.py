"""Sweeps whose real starts are counted, and what must be true of them after any fault."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from kills import SPACE, leftovers, write_space
from sweeps import run_sweep

__all__ = ["check_survived", "counted_space", "numbers", "undisturbed"]


def counted_space(folder: Path, trials: int = 4, pause: float = 0.1, epochs: int = 40) -> Path:
    """Write a space whose trials are counted in ``starts`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    backbone = {"name": "counted:Counted", "log": str(folder / "starts"), "tag": 0, "pause": pause}
    training = {"epochs": epochs, "patience": epochs, "batch_size": 1024, "dtype": "float64"}
    run = {**SPACE["run"], "method": {"name": "bpr"}, "backbone": backbone, "training": training}
    search = {"backbone.tag": {"int": [0, 1_000_000]}, "training.lr": {"float": [1e-3, 1e-1]}}
    budget = {"trials": trials, "concurrent": 2}
    return write_space(folder, run=run, search=search, tune={**SPACE["tune"], **budget})


def numbers(out: Path) -> list[dict[str, Any]]:
    """All of a sweep that must be equal; names of folders hold the test's own."""
    trials = pd.read_csv(out / "trials.csv", keep_default_na=False)
    return list(trials.drop(columns=["seconds", "folder"]).to_dict("records"))


def undisturbed(folder: Path) -> list[dict[str, Any]]:
    """The numbers of the same sweep, run without Ray in this process."""
    run_sweep(counted_space(folder, pause=0.0), folder / "out")
    return numbers(folder / "out")


def check_survived(space: Path, out: Path, whole: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nothing is lost, nothing double, nothing left behind; the faults that the sweep knows.

    No trial was started after it had finished, and none more often than the sweep says.
    """
    assert numbers(out) == whole
    trials = pd.read_csv(out / "trials.csv")
    folders = dict(zip(trials["config.backbone.tag"], trials["folder"], strict=True))
    assert len(set(folders.values())) == len(folders) == len(whole)
    faults = list(json.loads((out / "manifest.json").read_text()).get("faults", []))
    again = sum(each["resumed"] + each["restarted"] for each in faults)
    lines = [line.split() for line in (space.parent / "starts").read_text().splitlines()]
    begun = Counter(int(tag) for tag, *_ in lines)
    assert begun.keys() == folders.keys() and begun.total() <= len(whole) + again
    for tag, when, _ in lines:
        result = out / "trials" / folders[int(tag)] / "result.json"
        assert float(when) < result.stat().st_mtime, f"{result} was trained again"
    for path in [*out.glob("*.json"), *(out / "trials").rglob("*.json")]:
        json.loads(path.read_text())
    assert not leftovers(out) and not list((out / "trials").rglob(".*"))
    return faults
