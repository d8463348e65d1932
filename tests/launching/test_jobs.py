"""Errors of the job server in one line, the token's sources, and what is shown of a job.

The server itself is real in ``tests/integration/test_jobs.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from refusals import called, refusal

from dvr_ray.config.load import load_space
from dvr_ray.config.space import SearchSpace
from dvr_ray.launching import jobs
from dvr_ray.launching.jobs import Jobs, is_local, token

QUICKSTART = Path(__file__).resolve().parents[2] / "search_spaces" / "quickstart.yaml"
LONG = "Job entrypoint command failed with exit code 2, last available logs (truncated):\nlots"


class _AuthenticationError(Exception):
    pass


_AuthenticationError.__name__ = "AuthenticationError"


class _Server:
    """Stands for Ray's client."""

    def __init__(self, status: str = "SUCCEEDED", error: Exception | None = None) -> None:
        self.status, self.error, self.asked = status, error, {}  # type: ignore[var-annotated]

    def get_job_info(self, identity: str) -> Any:
        if self.error:
            raise self.error
        return SimpleNamespace(
            submission_id=identity, status=self.status, message=LONG, start_time=60_000,
            end_time=120_000, metadata={"space": "quickstart", "out": "/shared/runs/q"},
        )  # fmt: skip

    def list_jobs(self) -> list[Any]:
        return [self.get_job_info("old")]

    def submit_job(self, **asked: Any) -> str:
        folder = Path(asked["runtime_env"]["working_dir"])
        self.asked = {**asked, "space": load_space(folder / "space.yaml")}
        return str(asked["submission_id"])

    async def tail_job_logs(self, identity: str) -> AsyncIterator[str]:
        yield "one\n"
        yield "two\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Server:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = _Server()
    monkeypatch.setattr(Jobs, "_made", lambda self: made)
    return made


def test_a_job_ships_the_package_and_the_whole_space(server: _Server) -> None:
    code, said = called("submit", QUICKSTART, "--set", "tune.trials=3", "--name", "new", "--resume")
    assert code == 0 and "job new succeeded; results: /shared/runs/q" in said
    space = server.asked["space"]
    assert isinstance(space, SearchSpace) and space.tune.trials == 3
    words = "python -m dvr_ray tune space.yaml --out /shared/runs/quickstart --resume"
    assert server.asked["entrypoint"] == words
    (module,) = server.asked["runtime_env"]["py_modules"]
    assert (Path(module) / "tuning" / "sweep.py").is_file()


def test_a_failed_job_ends_with_code_1_and_one_line(server: _Server) -> None:
    server.status = "FAILED"
    line = refusal("logs", "x", "--follow", code=1)
    assert line.startswith("job x: failed (Job entrypoint command failed with exit code 2); see")
    assert "lots" not in line


def test_names_and_spaces_are_checked_before_anything_is_sent(server: _Server) -> None:
    assert "is a job already" in refusal("submit", QUICKSTART, "--name", "old")
    assert "must be letters" in refusal("submit", QUICKSTART, "--name", "a/b")
    assert "no such file" in refusal("submit", "nix.yaml")
    assert server.asked == {}


@pytest.mark.parametrize(
    ("error", "wanted", "code"),
    [
        (_AuthenticationError("Authentication required"), "the cluster asks for a token", 2),
        (ConnectionError("Failed to connect"), "nobody answers there", 2),
        (RuntimeError("status code 404: Job x does not exist"), "no such job", 2),
        (RuntimeError("status code 500: boom"), "refused (status code 500: boom)", 1),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(
    server: _Server, error: Exception, wanted: str, code: int
) -> None:
    server.error = error
    assert wanted in refusal("status", "x", code=code)


def test_secrets_in_an_address_are_not_shown(server: _Server) -> None:
    server.error = ConnectionError("no http://me:pw@host:1/?token=abc&x=1")
    line = refusal("status", "x", "--address", "http://me:pw@host:1")
    assert "http://***@host:1" in line and "pw" not in line and "abc" not in line


def test_a_secret_that_a_long_message_is_cut_in_is_not_shown(server: _Server) -> None:
    server.error = ConnectionError(f"{'x' * 170} http://me:{'secret' * 10}@host:1")
    line = refusal("status", "x")
    assert "nobody answers there (xxx" in line and "me:" not in line and "secret" not in line


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "auto", "ray://host:10001", "http://"])
def test_only_addresses_of_job_servers_are_taken(address: str) -> None:
    assert "must be http://HOST:8265" in refusal("status", "--address", address)


def test_the_token_comes_from_where_ray_takes_it(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("home\n", encoding="utf-8")
    assert token() == "home"
    (tmp_path / "named").write_text("named", encoding="utf-8")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "named"))
    assert token() == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    assert token() == "given"


def test_a_token_in_the_clear_is_warned_of(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    assert "unencrypted" in called("status", "--address", "http://head:8265")[1]
    assert "unencrypted" not in called("status", "--address", "http://127.0.0.1:8265")[1]
    assert is_local("https://head") and not is_local("http://head")


def test_without_rays_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Jobs) -> Any:
        with self._asking():
            raise RuntimeError("The Ray jobs CLI & SDK require the ray[default] installation")

    monkeypatch.setattr(jobs.Jobs, "_made", fails)
    assert "pip install 'dvr_ray[cluster]'" in refusal("status")
