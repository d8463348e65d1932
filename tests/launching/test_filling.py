"""``dvr-ray launch``: what it writes, what it says comes next, and what it refuses."""

from __future__ import annotations

import json
import re
import shlex
import stat
from pathlib import Path

import pytest
from cluster_files import ROOT, documents, of_kind
from refusals import called, refusal, refused

from dvr_ray.cli.main import app
from dvr_ray.launching.filling import left_to_fill, slug
from generators.cluster_files import EXAMPLES, examples

QUICKSTART = ROOT / "search_spaces" / "quickstart.yaml"
GPU = ("--set", "resources.gpus_per_worker=1")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home of its own."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _launch(*words: object) -> None:
    app(["launch", *map(str, words), "--space", str(QUICKSTART)], standalone_mode=False)


def test_files_in_the_repository_are_what_launch_writes() -> None:
    """If this fails, run: python docs/generators/cluster_files.py."""
    assert examples().keys() == EXAMPLES.keys()
    for name, text in examples().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, name


def test_it_says_what_to_fill_in_and_what_comes_next(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _launch("aws", "--workers", 3, "--gpus-per-worker", 1, *GPU)
    shown = capsys.readouterr().out
    lines = (alone / "quickstart-aws.yaml").read_text(encoding="utf-8").splitlines()
    for name, numbers in left_to_fill("\n".join(lines)).items():
        assert f"fill in {name}, line {', '.join(map(str, numbers))}" in shown
        assert all(name in lines[number - 1] for number in numbers)
    assert "next: ray up quickstart-aws.yaml\n" in shown
    assert "stop, or it goes on costing money: ray down quickstart-aws.yaml\n" in shown
    assert "dvr-ray submit" in shown and "--set resources.gpus_per_worker=1" in shown
    assert "up to 3 worker(s), each g6.xlarge, 4 CPUs, 1 GPU; nothing was started" in shown


def test_the_token_is_made_for_its_owner_alone(alone: Path) -> None:
    _launch("onprem")
    token = alone / "home" / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text(encoding="utf-8")) == 64
    (content,) = documents((alone / "quickstart-onprem.yaml").read_text(encoding="utf-8"))
    assert content["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    first = token.read_bytes()
    _launch("onprem", "--force")
    assert token.read_bytes() == first


def test_a_token_elsewhere_is_the_one_that_is_sent(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/run/team/token")
    _launch("onprem")
    (content,) = documents((alone / "quickstart-onprem.yaml").read_text(encoding="utf-8"))
    assert list(content["file_mounts"].values()) == ["/run/team/token"]
    assert not (alone / "home" / ".ray").exists()


def test_kubernetes_can_have_a_job_or_a_cluster_that_stays(alone: Path) -> None:
    _launch("kuberay", "--out", "job.yaml", "--results", "/shared/other")
    _launch("kuberay", "--keep", "--out", "keep.yaml")
    job = of_kind(documents((alone / "job.yaml").read_text(encoding="utf-8")), "RayJob")
    assert "--out /shared/other" in job["spec"]["entrypoint"]
    assert of_kind(documents((alone / "keep.yaml").read_text(encoding="utf-8")), "RayCluster")


@pytest.mark.parametrize(
    "words",
    [
        ("onprem",),
        ("slurm", "--workers", "2", "--out", "my job.sbatch", "--results", "there"),
        ("aws", "--image", "registry/me:1", "--spot", *GPU, "--gpus-per-worker", "1"),
        ("kuberay", "--keep", "--out", "keep.yaml"),
    ],
)
def test_the_command_in_a_file_writes_that_file(alone: Path, words: tuple[str, ...]) -> None:
    _launch(*words)
    (file,) = (path for path in alone.iterdir() if path.is_file())
    first = file.read_text(encoding="utf-8")
    file.unlink()
    (command,) = re.findall(r"written by: dvr-ray (.*)", first)
    app(shlex.split(command), standalone_mode=False)
    assert file.read_text(encoding="utf-8") == first


def test_a_token_that_is_in_no_file_is_refused(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are copied to the machines, the environment isn't."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    wanted = ["RAY_AUTH_TOKEN: holds the token", ".ray/auth_token is none", "chmod 600"]
    refused(alone, wanted, "launch", "aws", "--space", QUICKSTART)
    _launch("slurm")  # makes a token of its own there
    (alone / "home" / ".ray").mkdir()
    (alone / "home" / ".ray" / "auth_token").write_text("a" * 64)
    _launch("aws")


def test_json_holds_the_gaps_and_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    _launch("slurm", "--json")
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["file"] == "quickstart-slurm.sbatch" and told["fill_in"] == {}
    assert told["next"][0] == "next: sbatch quickstart-slurm.sbatch"


def test_gpus_that_no_trial_asks_for_are_warned_of(alone: Path) -> None:
    code, said = called("launch", "slurm", "--gpus-per-worker", 1, "--space", QUICKSTART)
    assert code == 0 and "asks for no GPU" in said
    code, said = called("launch", "slurm", "--gpus-per-worker", 1, "--space", QUICKSTART, *GPU,
                        "--force")  # fmt: skip
    assert code == 0 and "asks for no GPU" not in said


def test_data_of_this_machine_are_warned_of(alone: Path) -> None:
    here = ("--set", "data.source=lightgcn", "--set", "data.path=log")
    shared = ("--set", "data.source=lightgcn", "--set", "data.path=/shared/data/log")
    for words, warned in ((here, True), (shared, False)):
        code, said = called("launch", "kuberay", "--space", QUICKSTART, *words, "--force")
        assert code == 0 and (f"{alone}/log must be on the cluster" in said) == warned


def test_slurm_puts_results_where_the_job_starts(alone: Path) -> None:
    _launch("slurm")
    text = (alone / "quickstart-slurm.sbatch").read_text(encoding="utf-8")
    assert " --out runs/quickstart " in text


WRONG = [
    (("aws", "--gpus-per-worker", 3), ["--gpus-per-worker: aws has machines of 0, 1", "got 3"]),
    (("slurm", "--spot"), ["--spot: is for aws and gcp, got slurm"]),
    (("slurm", "--keep"), ["--keep: is for kuberay, got slurm"]),
    (("slurm", *GPU), ["needs 1 CPUs and 1 GPUs", "has 4 and 0"]),
    (("slurm", "--set", "resources.workers=9"), ["9 workers x 1 CPU needs 9 CPUs", "has 4"]),
    (("slurm", "--set", "resources.cpus_per_worker=5"), ["needs 5 CPUs", "has 4"]),
    (("slurm", "--out", "no/such/folder.yaml"), ["no/such/folder.yaml: no such folder"]),
    (("slurm", "--set", "training.epoch=3"), ["training.epoch", "did you mean"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "wanted"), WRONG)
def test_what_cannot_be_is_refused(
    alone: Path, words: tuple[object, ...], wanted: list[str]
) -> None:
    refused(alone, wanted, "launch", *words, "--space", QUICKSTART)


def test_other_wrong_requests_are_refused(alone: Path) -> None:
    assert "no such file" in refusal("launch", "aws", "--space", "nix.yaml")
    code, said = called("launch", "aws", "--workers", 0, "--space", QUICKSTART)
    assert code == 2 and "got '0'" in said
    code, said = called("launch", "azure", "--space", QUICKSTART)
    assert code == 2 and "azure" in said
    code, said = called("launch", "aws")
    assert code == 2 and "--space" in said
    assert [path.name for path in alone.iterdir()] == ["home"]


def test_nothing_is_overwritten_without_force(alone: Path) -> None:
    (alone / "quickstart-slurm.sbatch").write_text("mine", encoding="utf-8")
    refused(alone, ["quickstart-slurm.sbatch: is there already"], "launch", "slurm", "--space",
            QUICKSTART)  # fmt: skip
    _launch("slurm", "--force")
    assert (alone / "quickstart-slurm.sbatch").read_text(encoding="utf-8").startswith("#!")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quickstart", "quickstart"),
        ("ML_1M.v2", "ml-1m-v2"),
        ("1st", "dvr-1st"),
        ("x" * 64, "x" * 40),
    ],
)
def test_names_are_what_kubernetes_allows(name: str, expected: str) -> None:
    assert slug(name) == expected
