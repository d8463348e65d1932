"""A pruned log has the lines of the old one, but for those of the least valued rows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from valued_logs import new_rows, valued, write

from dvr_ray.errors import DvrRayError
from dvr_ray.inference.choosing import Rule
from dvr_ray.inference.job import Valuation, value_log
from dvr_ray.inference.pruning import prune
from dvr_ray.inference.reading import TrainingLog
from dvr_ray.inference.work import InProcess
from dvr_ray.training.opened import OpenedRun


def read(path: Path) -> pd.DataFrame:
    """Read what `write` wrote, columns named as there."""
    if ".parquet" in path.name:
        return pd.read_parquet(path)
    if path.name.endswith("ratings.dat"):
        names = ["user", "item", "rating", "time", "weight"]
        rows = [line.split("::") for line in path.read_text().splitlines()]
        return pd.DataFrame(rows, columns=names[: len(rows[0])]).astype(float)
    found = pd.read_csv(path, sep="," if ".csv" in path.name else "\t")
    found.columns = ["user", "item", "rating", "time", *found.columns[4:]]
    return found


FORMATS = ["log.csv", "log.parquet", "x.inter"]
FORMATS += [pytest.param(each, marks=pytest.mark.slow) for each in ("log.tsv", "ratings.dat")]


@pytest.mark.parametrize("name", FORMATS)
def test_the_least_valued_rows_go_and_nothing_else_changes(
    name: str, opened: OpenedRun, tmp_path: Path
) -> None:
    rows = new_rows()
    (tmp_path / "log").mkdir()
    path = write(rows, tmp_path / "log" / name)
    whole = name.endswith((".inter", ".dat"))
    table = valued(opened, path.parent if whole else path, tmp_path / "values", min_rating=2.0)
    out = tmp_path / f"new-{name}"
    done = prune(tmp_path / "values", Rule(lowest=0.25), out)
    dropped = table[table["rank"] <= 0.25 * len(table)][["user", "item"]]
    assert len(dropped) == int(0.25 * len(table))
    gone = rows.merge(dropped, how="left", indicator=True)["_merge"].eq("both").to_numpy()
    wanted = rows[~gone].reset_index(drop=True)
    pd.testing.assert_frame_equal(read(out), wanted, check_dtype=False)
    assert (done.rows, done.kept) == (len(rows), len(wanted))
    # Rows rated too low have no value, and stay, unless their pair has one by another rating.
    pairs = set(zip(table["user"], table["item"], strict=True))
    has = [pair in pairs for pair in zip(rows["user"], rows["item"], strict=True)]
    assert done.unvalued == len(rows) - sum(has) > 0
    before, after = (set(each["user"]) for each in (rows[has], rows[has & ~gone]))
    assert set(done.users) == before - after
    if name.endswith(".csv"):
        kept = set(out.read_text().splitlines())
        assert kept <= set(path.read_text().splitlines())


@pytest.mark.parametrize("name", FORMATS)
def test_weights_are_one_more_column(name: str, opened: OpenedRun, tmp_path: Path) -> None:
    rows = new_rows()
    (tmp_path / "log").mkdir()
    path = write(rows, tmp_path / "log" / name)
    whole = name.endswith((".inter", ".dat"))
    table = valued(opened, path.parent if whole else path, tmp_path / "values", min_rating=2.0)
    prune(tmp_path / "values", Rule(weights=True), tmp_path / f"new-{name}")
    found = read(tmp_path / f"new-{name}")
    known = rows.merge(table[["user", "item", "probability"]], how="left")["probability"].fillna(1)
    np.testing.assert_allclose(found.iloc[:, -1], known, rtol=1e-5)
    pd.testing.assert_frame_equal(found.iloc[:, :4], rows, check_dtype=False)
    if name.endswith(".inter"):
        header = (tmp_path / f"new-{name}").read_text().splitlines()[0]
        assert header.endswith("\tweight:float")


def test_draws_keep_the_wanted_share_by_probability(opened: OpenedRun, tmp_path: Path) -> None:
    rows = new_rows(count=6000).drop_duplicates(["user", "item"])
    table = valued(opened, write(rows, tmp_path / "log.csv"), tmp_path / "values")
    kept = []
    for seed in (0, 0, 1):
        out = tmp_path / f"new-{len(kept)}.csv"
        done = prune(tmp_path / "values", Rule(keep_rate=0.6, seed=seed), out)
        # Four standard errors of a share of 5,200 draws.
        assert abs(done.kept / done.rows - 0.6) < 0.03
        kept.append(out.read_text())
    assert kept[0] == kept[1] != kept[2]
    pairs = pd.read_csv(tmp_path / "new-0.csv").merge(table)
    assert pairs["probability"].mean() > table["probability"].mean()


def test_lists_and_generated_logs_are_written_too(opened: OpenedRun, tmp_path: Path) -> None:
    rows = new_rows()
    (tmp_path / "log").mkdir()
    write(rows, tmp_path / "log" / "train.txt")
    table = valued(opened, tmp_path / "log", tmp_path / "values")
    done = prune(tmp_path / "values", Rule(lowest=0.1), tmp_path / "lists")
    lines = (tmp_path / "lists" / "train.txt").read_text().splitlines()
    assert sum(len(line.split()) - 1 for line in lines) == done.kept == len(table) - done.rows // 10
    value_log(
        Valuation(opened, TrainingLog(opened), tmp_path / "own"), InProcess(), lambda *_: None
    )
    done = prune(tmp_path / "own", Rule(lowest=0.1), tmp_path / "own.parquet")
    assert len(pd.read_parquet(tmp_path / "own.parquet")) == done.kept
    with pytest.raises(DvrRayError, match=r"must end in \.csv"):
        prune(tmp_path / "own", Rule(lowest=0.1), tmp_path / "own.txt")


def test_wrong_requests_are_refused_in_one_line(opened: OpenedRun, tmp_path: Path) -> None:
    path, values = write(new_rows(), tmp_path / "log.csv"), tmp_path / "values"
    rule = Rule(lowest=0.1)
    with pytest.raises(DvrRayError, match="must be a folder of complete values"):
        prune(values, rule, tmp_path / "new.csv")
    valued(opened, path, values)
    for wrong, line in ((path, "is there already"), (tmp_path / "new.tsv", "name it new.csv")):
        with pytest.raises(DvrRayError, match=line):
            prune(values, rule, wrong)
    other = write(new_rows(1), tmp_path / "other.csv")
    with pytest.raises(DvrRayError, match="isn't the log that was valued"):
        prune(values, rule, tmp_path / "new.csv", other)
    part = values / "part-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-30])
    with pytest.raises(DvrRayError, match=r"part-00000\.parquet: must be a whole Parquet file"):
        prune(values, rule, tmp_path / "new.csv")
    part.write_bytes(whole)
    manifest = json.loads((values / "values.json").read_text())
    (values / "values.json").write_text(json.dumps({**manifest, "identity": "0" * 16}))
    with pytest.raises(DvrRayError, match="is of another valuation"):
        prune(values, rule, tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()


def test_a_gzipped_log_is_the_same_file_twice(opened: OpenedRun, tmp_path: Path) -> None:
    path = write(new_rows(), tmp_path / "log.csv.gz")
    valued(opened, path, tmp_path / "values")
    for name in ("a.csv.gz", "b.csv.gz"):
        prune(tmp_path / "values", Rule(lowest=0.1), tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b"user,item")
