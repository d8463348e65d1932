"""What a sweep leaves behind: the table, the front, the mirror of the study, the manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import CheckpointError
from dvr_ray.tuning.manifest import Manifest, space_hash
from dvr_ray.tuning.records import TrialRecord, mirror_study, pareto, write_trials

SPACE = SearchSpace.model_validate_json(
    json.dumps(
        {
            "search": {
                "valuator.depth": {"int": [1, 4]},
                "training.lr": {"float": [1e-4, 1.0], "log": True},
                "policy.temperature": {"float": [0.1, 1.0], "when": {"valuator.depth": 1}},
            },
            "tune": {"objective": ["ndcg@20", "recall@20"]},
        }
    )
)


def _record(number: int, status: str, ndcg: float | None, recall: float = 0.0) -> TrialRecord:
    values = {"valuator.depth": 1 + number % 2, "training.lr": 0.01 * (number + 1)}
    if values["valuator.depth"] == 1:
        values["policy.temperature"] = 0.5
    objectives = {} if ndcg is None else {"ndcg@20": ndcg, "recall@20": recall}
    return TrialRecord(number, f"hash{number}", status, values, objectives, 3, 5, 1.5, "")


RECORDS = [
    _record(0, "finished", 0.10, 0.40),
    _record(1, "finished", 0.20, 0.30),
    _record(2, "finished", 0.10, 0.30),
    _record(3, "stopped", 0.90, 0.90),
    _record(4, "failed", None),
]


def test_front_holds_what_nothing_beats_and_leaves_stopped_trials_out() -> None:
    assert [r.number for r in pareto(RECORDS, SPACE.tune.objectives)] == [1, 0]


def test_one_objective_has_one_winner() -> None:
    assert [r.number for r in pareto(RECORDS, ("recall@20",))] == []
    single = [
        TrialRecord(
            r.number,
            r.folder,
            r.status,
            {},
            {"recall@20": r.objectives["recall@20"]},
            1,
            1,
            1.0,
            "",
        )
        for r in RECORDS[:3]
    ]
    assert [r.number for r in pareto(single, ("recall@20",))] == [0]


def test_stopped_trials_count_where_nothing_finished() -> None:
    assert [r.number for r in pareto(RECORDS[3:], SPACE.tune.objectives)] == [3]
    assert pareto(RECORDS[4:], SPACE.tune.objectives) == []


def test_table_has_a_line_per_trial_and_blanks_where_a_condition_fails(tmp_path: Path) -> None:
    write_trials(RECORDS, SPACE, tmp_path / "trials.csv")
    table = pd.read_csv(tmp_path / "trials.csv")
    assert list(table["trial"]) == [0, 1, 2, 3, 4]
    assert table["config.policy.temperature"].isna().tolist() == [False, True] * 2 + [False]
    assert table["ndcg@20"].isna().tolist() == [False] * 4 + [True]


def test_optuna_opens_the_mirror(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    for _ in range(2):  # written anew, not appended
        mirror_study(RECORDS, SPACE, path)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="sweep", storage=storage)
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 4 + ["FAIL"]
    assert study.trials[1].params == RECORDS[1].values
    assert study.trials[1].values == [0.2, 0.3]


def test_numbers_and_looks_last(tmp_path: Path) -> None:
    manifest = Manifest.begin(tmp_path, SPACE, "data")
    assert [manifest.number(name) for name in ("a", "b", "a")] == [0, 1, 0]
    assert manifest.content["directions"] == dict.fromkeys(SPACE.tune.objectives, "maximize")
    manifest.look_at_test("winner a")
    manifest.spend(2.5)
    again = Manifest.begin(tmp_path, SPACE, "data")
    assert again.number("b") == 1 and again.content["looks_at_test"] == 1
    assert again.seconds_spent == 2.5


def test_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"manifest\.json: can.t be read"):
        Manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"tune": {"objective": ["ndcg@20", "recall@20"], "trials": 99}}, True),
        ({"resources": {"workers": 2}}, True),
        ({"run": {"seed": 5}}, False),
        ({"tune": {"objective": "ndcg@20"}}, False),
    ],
)
def test_budget_may_change_on_resuming_and_nothing_else(change: dict[str, Any], same: bool) -> None:
    content = json.loads(SPACE.model_dump_json(by_alias=True)) | change
    other = SearchSpace.model_validate_json(json.dumps(content))
    assert (space_hash(other) == space_hash(SPACE)) is same
