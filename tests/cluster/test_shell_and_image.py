"""Shell by shellcheck, the Dockerfile by hadolint and a few checks, packages by their hashes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_files import RAY_UP, ROOT, documents, stored, wished
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dvr_ray.launching.filling import IMAGE_RAY

HASHES = r"((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\\n" + HASHES, re.M)
ON_ALL = 'ray symmetric-run --address "${nodes[0]}:6379" --min-nodes "$SLURM_JOB_NUM_NODES"'


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is absent: pip install -e '.[dev]' (there is none for every machine)")
    return found


def _shellcheck(text: str) -> str:
    command = [_tool("shellcheck"), "--shell=bash", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(("workers", "gpus"), [(1, 0), (2, 1), (4, 8)])
def test_slurm_scripts_are_clean_shell(workers: int, gpus: int) -> None:
    text = wished("slurm", workers, gpus)
    assert not _shellcheck(text)
    assert f"#SBATCH --nodes={workers}\n" in text
    assert (f"#SBATCH --gpus-per-node={gpus}\n" in text) == (gpus > 0)


def test_slurm_starts_ray_on_all_nodes() -> None:
    text = stored("slurm/sweep.sbatch")
    assert ON_ALL in text
    assert "--head" not in text and "--block" not in text
    # Else the nodes of workers stay until the job's time is over.
    assert " --kill-on-bad-exit=1 --wait=30 " in text


@pytest.mark.parametrize("target", RAY_UP)
def test_commands_in_ray_up_files_are_clean_shell(target: str) -> None:
    (content,) = documents(stored(f"{target}.yaml"))
    commands = [line for key, lines in content.items() if "commands" in key for line in lines]
    assert len(commands) >= 5
    # Ray sets this one.
    assert not _shellcheck("\n".join(["#!/bin/bash", "export RAY_HEAD_IP=10.0.0.1", *commands]))


def test_wrong_shell_is_found() -> None:
    assert "SC2086" in _shellcheck("#!/bin/bash\nrm -r $HOME/$1\n")


def test_the_dockerfile_is_clean(tmp_path: Path) -> None:
    tool = _tool("hadolint")

    def said(path: Path) -> str:
        return subprocess.run([tool, str(path)], capture_output=True, text=True, check=False).stdout

    assert not said(ROOT / "cluster" / "Dockerfile")
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /x && pip install ray\n")
    assert "DL3006" in said(tmp_path / "Dockerfile")


def test_the_image_is_nobodys_root_and_pinned() -> None:
    text = stored("Dockerfile")
    last = text.rindex("\nFROM ")
    users = re.findall(r"^USER (\S+)", text[last:], re.M)
    assert users == ["$UID:$UID"] and "ARG UID=1000" in text
    installs = re.findall(r"pip install (.*)", text)
    assert len(installs) == 2
    assert "--require-hashes" in installs[0] and "--only-binary=:all:" in installs[0]
    assert "--no-index" in installs[1] and "--no-build-isolation" in installs[1]
    assert "RAY_AUTH_MODE=token" in text[last:]
    assert not re.search(r"^(COPY|ADD) \. ", text, re.M) and "ADD " not in text


def test_what_is_copied_is_sent_to_the_builder() -> None:
    lines = stored("Dockerfile.dockerignore").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", stored("Dockerfile"), re.M)
    assert {name for line in copied for name in line.split()} == allowed
    assert all((ROOT / name).exists() for name in allowed)


def _pinned() -> dict[str, str]:
    text = stored("requirements.txt")
    found = {canonicalize_name(name): version for name, version, _ in PINNED.findall(text)}
    assert len(found) == len(re.findall(r"^[A-Za-z0-9]", text, re.M)) > 50
    return found


def test_every_package_is_pinned_by_hash_and_as_the_tests_run() -> None:
    pinned = _pinned()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        if canonicalize_name(name) in pinned:
            wanted = re.escape(version).replace(r"\*", r".*")
            assert re.fullmatch(wanted, pinned[canonicalize_name(name)]), line
    assert pinned["ray"] == IMAGE_RAY


def test_every_package_that_setup_asks_for_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr("setuptools.setup", lambda **given: asked.update(given))
    monkeypatch.chdir(ROOT)
    exec(compile((ROOT / "setup.py").read_text(encoding="utf-8"), "setup.py", "exec"), {})
    extras = asked["extras_require"]
    assert isinstance(extras, dict) and isinstance(asked["install_requires"], list)
    pinned = _pinned()
    for text in [*asked["install_requires"], *extras["cluster"]]:
        wanted = Requirement(text)
        assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, text


FILES = [
    "aws.yaml",
    "gcp.yaml",
    "onprem.yaml",
    "kuberay/rayjob.yaml",
    "kuberay/raycluster.yaml",
    "slurm/sweep.sbatch",
    "compose.yaml",
]


@pytest.mark.parametrize("name", [*FILES, "Dockerfile"])
def test_files_name_the_versions_there_are(name: str) -> None:
    import dvr_ray

    text = stored(name)
    assert f"Ray {IMAGE_RAY}" in text
    if "image: " in text:
        assert f"dvr-ray:{dvr_ray.__version__}" in text


@pytest.mark.parametrize("name", FILES)
def test_files_say_versions_sizes_costs_and_how_to_stop(name: str) -> None:
    comments = [line for line in stored(name).splitlines() if line.startswith("#")]
    for word in ("Versions:", "Sizes:", "Costs:", "Start:", "Stop:", "Token:"):
        assert sum(word in line for line in comments) == 1, word
