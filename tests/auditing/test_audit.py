"""Audits from the command line: what they find, list and write, and how they go on after a kill."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from audits import ITEMS, SET, write_noise
from docs_pages import compare, flat
from event_lines import read_events
from refusals import called

from dvr_ray.cli.main import main
from dvr_ray.files import visible
from dvr_ray.training.stored import read_rows

LISTS = ("interactions", "users", "items")
KINDS = ("uniform", "push")


def _numbers(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    return found


def _listed(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"least-valued-{name}.csv", keep_default_na=False)


def test_planted_noise_is_found_in_a_log_of_tastes(audited: Path) -> None:
    found = _numbers(audited)
    assert found["verdict"] == "trusted" and found["advice"][0].startswith("Trusted")
    assert "noise that held-out rows share" in found["advice"][-1]
    for kind in KINDS:
        judged = found["kinds"][kind]
        value = judged["auc"]["value"]
        assert 0.5 < value["low"] < value["value"] < value["high"] <= 1
        chance = judged["planted"] / (judged["planted"] + judged["real"])
        assert judged["lowest_tenth"]["planted"] > 1.5 * chance


def test_a_log_of_noise_is_not_trusted_and_no_harm_is_done(tmp_path: Path) -> None:
    """Whatever the gate compares, what it adopts selects at least as well as keep-all."""
    out = tmp_path / "audit"
    code, said = called("audit", write_noise(tmp_path / "noise.csv"), "--out", out, *SET)
    assert code == 0, said
    found = _numbers(out)
    assert found["verdict"] == "not trusted"
    assert "don't act on these values" in found["advice"][0]
    assert not any("held-out rows share" in line for line in found["advice"])
    uniform = found["kinds"]["uniform"]["auc"]["value"]
    assert uniform["low"] < 0.5 < uniform["high"]
    page = (out / "audit.html").read_text(encoding="utf-8")
    for kind in KINDS:
        compared = [row for row in read_rows(out / kind) if "adopted" in row]
        for row in compared:
            assert row["selection"]["ndcg@20"] >= row["keep_all"]["ndcg@20"]
        kept = sum(row["adopted"] == "keep-all" for row in compared)
        selection = found["kinds"][kind]["selection"]
        assert (selection["kept"], selection["compared"]) == (kept, len(compared))
        assert f"keep-all in {kept} of {len(compared)}" in page
    assert "look, don&#39;t delete" in page


def test_lists_hold_the_users_own_rows_alone(audited: Path, log: Path) -> None:
    """No planted row is a row of the log, so each listed one must be there."""
    own = pd.read_csv(log / "log.csv")
    pairs = set(zip(own["user"], own["item"], strict=True))
    listed = _listed(audited, "interactions")
    assert len(listed) > 100
    assert set(zip(listed["user"], listed["item"], strict=True)) <= pairs
    values = pd.read_parquet(audited / "values.parquet")
    assert set(zip(values["user"], values["item"], strict=True)) <= pairs
    for kind in KINDS:
        run = pd.read_parquet(audited / kind / "values.parquet")
        planted = run[run["planted"]]
        assert not set(zip(planted["user"], planted["item"], strict=True)) & pairs
        assert len(run) - len(planted) == len(values)


def test_lists_name_the_items_and_go_from_the_lowest_value(audited: Path) -> None:
    for name in LISTS:
        listed = _listed(audited, name)
        assert listed["rank"].tolist() == list(range(1, len(listed) + 1))
        assert listed["value"].is_monotonic_increasing
    items = _listed(audited, "items")
    for item, name in zip(items["item"], items["item.name"], strict=True):
        number = int(item.removeprefix("i").partition("&")[0])
        assert number < ITEMS and name == f"<script>name{number}</script>"


def test_listed_values_are_means_over_the_runs(audited: Path) -> None:
    """By loops: each run's values in standard deviations of its real rows, then the mean."""
    by_pair: dict[tuple[str, str], list[float]] = {}
    for kind in KINDS:
        run = pd.read_parquet(audited / kind / "values.parquet")
        real = run[~run["planted"]]
        values = [float(value) for value in real["value"]]
        mean = sum(values) / len(values)
        sd = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        for user, item, value in zip(real["user"], real["item"], values, strict=True):
            by_pair.setdefault((user, item), []).append((value - mean) / sd)
    means = {pair: sum(found) / len(found) for pair, found in by_pair.items()}
    for row in _listed(audited, "interactions").to_dict("records"):
        assert row["value"] == pytest.approx(means[row["user"], row["item"]], abs=1e-6)
    for kind in ("user", "item"):
        place = ("user", "item").index(kind)
        for row in _listed(audited, f"{kind}s").to_dict("records"):
            own = [value for pair, value in means.items() if pair[place] == row[kind]]
            assert row["rows"] == len(own)
            assert row["value"] == pytest.approx(sum(own) / len(own), abs=1e-6)


def test_numbers_agree_with_the_runs_and_lists(audited: Path, log: Path) -> None:
    found = _numbers(audited)
    assert found["data"]["rows"] == len(pd.read_csv(log / "log.csv"))
    assert found["valued_rows"] + found["without_value"] == found["data"]["rows"]
    for kind in KINDS:
        judged, folder = found["kinds"][kind], audited / kind
        result = json.loads((folder / "result.json").read_text())
        assert judged["auc"]["value"]["value"] == pytest.approx(result["auc"]["value"], abs=5e-5)
        loss = judged["auc"]["mean loss"]["value"]
        assert loss == pytest.approx(result["auc"]["mean_loss"], abs=5e-5)
        run = pd.read_parquet(folder / "values.parquet")
        planted = run["planted"].to_numpy()
        assert (judged["planted"], judged["real"]) == (planted.sum(), (~planted).sum())
        lowest = np.argsort(run["value"].to_numpy(), kind="stable")[: round(len(run) / 10)]
        assert judged["lowest_tenth"]["planted"] == pytest.approx(planted[lowest].mean())
        assert judged["best_score"] == max(judged["auc"], key=lambda s: judged["auc"][s]["value"])
    for name in LISTS:
        head = _listed(audited, name).head(20)
        stored = found["least_valued"][name]
        assert [row["value"] for row in stored] == pytest.approx(head["value"].tolist())
    tried = found["l2"]["tried"]
    assert found["l2"]["chosen"] == float(max(tried, key=lambda l2: float(tried[l2])))


def test_the_page_escapes_ids_and_names(audited: Path) -> None:
    page = (audited / "audit.html").read_text(encoding="utf-8")
    for raw in ("<b>u", "<img", "<script>name"):
        assert raw not in page
    assert "&lt;b&gt;u" in page and "&lt;img src=x&gt;" in page
    assert "&lt;script&gt;name" in page


def test_files_and_keys_are_documented(audited: Path) -> None:
    compare("Folder of an audit", visible(audited))
    numbers = _numbers(audited)
    tried = numbers["l2"].pop("tried")  # its keys hold points
    assert len(tried) > 1
    compare("audit.json", [*flat(numbers), "l2.tried"])
    columns = pd.read_parquet(audited / "values.parquet").columns
    compare("values.parquet of an audit", columns, ["user.ATTRIBUTE"])


def test_events_fit_the_schema_and_end_with_the_numbers(
    audited: Path,
    log: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["dvr-ray", "audit", str(log), "--out", str(audited), *SET, "--resume", "--json"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    events = read_events(capsys.readouterr().out)
    assert events[0]["event"] == "started" and events[0]["verb"] == "audit"
    runs = [event["run"] for event in events if event["event"] == "reported"]
    assert list(dict.fromkeys(runs))[-2:] == list(KINDS)
    assert {name: events[-1][name] for name in _numbers(audited)} == _numbers(audited)


def _content(folder: Path) -> dict[str, Any]:
    """All that must be equal with and without a kill: everything but times."""
    found: dict[str, Any] = {p.name: p.read_bytes() for p in folder.glob("*.csv")}
    numbers = _numbers(folder)
    del numbers["seconds"]
    return {**found, "numbers": numbers, "values": pd.read_parquet(folder / "values.parquet")}


def test_resumed_audit_equals_unbroken(
    audited: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the second kind is trained, the first is done: only what is missing is run."""
    from dvr_ray.training.loop import checkpoint

    hurt = tmp_path / "audit"
    shutil.copytree(audited, hurt)
    for path in [*hurt.glob("audit.[hj]*"), *hurt.glob("*.csv"), hurt / "values.parquet"]:
        path.unlink()
    shutil.rmtree(hurt / "push")
    save, saved = checkpoint.save, []

    def dies(*given: Any) -> Path:
        saved.append(save(*given))
        if len(saved) == 7:
            raise KeyboardInterrupt
        return saved[-1]

    command = ("audit", log, "--out", hurt, *SET, "--resume")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", dies)
        code, said = called(*command)
    assert code == 130 and "--resume" in said and not (hurt / "audit.json").exists()
    code, said = called(*command)
    assert code == 0, said
    expected, found = _content(audited), _content(hurt)
    pd.testing.assert_frame_equal(expected.pop("values"), found.pop("values"))
    assert found == expected
    assert "uniform  epoch" in (hurt / "log.txt").read_text()
