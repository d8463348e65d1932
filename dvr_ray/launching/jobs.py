"""Sweeps as jobs of Ray's job server: ship this package and a space, follow the log, stop.

The server runs the command on the head of the cluster and keeps its log there; whoever follows the
log may leave, and come back from another machine.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import dvr_ray
from dvr_ray.config.load import dump
from dvr_ray.config.space import SearchSpace
from dvr_ray.distributed.cluster import token_path
from dvr_ray.errors import ConfigError, ResourceError, RunError, masked

__all__ = ["ENDED", "Job", "Jobs", "is_local", "token"]

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
SPACE = "space.yaml"
NAMES = re.compile(r"[\w.-]+")
LOCAL = ("127.0.0.1", "localhost", "::1")
STOP_SECONDS = 20.0
TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
# Ray's client prefers these to the address that it is given.
OVERRIDING = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


@dataclass(frozen=True)
class Job:
    """What the server tells of a job.

    Parameters
    ----------
    id : str
        Its name on the cluster.
    status : str
        PENDING, RUNNING, or one of `ENDED`.
    message : str
        The server's own words.
    began, ended : float or None
        Seconds since 1970.
    space, out : str
        Name of the search space and folder of results, if it is one of ours.
    """

    id: str
    status: str
    message: str
    began: float | None
    ended: float | None
    space: str
    out: str


class Jobs:
    """The job server of one cluster.

    Parameters
    ----------
    address : str
        ``http://HOST:PORT`` or ``https://...`` of Ray's dashboard.

    Raises
    ------
    ConfigError
        If the address isn't one.
    ResourceError
        If nobody answers there, the token isn't the cluster's, or Ray's client isn't installed.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                "--address", f"must be http://HOST:8265, got {address}",
                "give the address of Ray's dashboard, not the one that `tune` takes",
            )  # fmt: skip
        self._address = address
        self._client = self._made()

    def submit(self, space: SearchSpace, identity: str, out: str, resume: bool) -> str:
        """Ship the package and a space, and begin.

        Parameters
        ----------
        space : SearchSpace
            What to run.
        identity : str
            Name of the job, new on this cluster.
        out : str
            Folder of results on the cluster.
        resume : bool
            Whether to go on with what the folder holds.

        Returns
        -------
        str
            The job's name.

        Raises
        ------
        ConfigError
            If there is a job of this name.
        """
        words = ["python", "-m", "dvr_ray", "tune", SPACE, "--out", out]
        words += ["--resume"] if resume else []
        if not NAMES.fullmatch(identity):
            rule = f"must be letters, digits, dots, dashes and underscores, got {identity!r}"
            raise ConfigError("--name", rule, "choose another")
        with TemporaryDirectory() as folder, self._asking():
            dump(space, Path(folder) / SPACE)
            if identity in {job.submission_id for job in self._client.list_jobs()}:
                raise ConfigError(f"--name {identity}", "is a job already", "choose another")
            return str(
                self._client.submit_job(
                    entrypoint=shlex.join(words),
                    submission_id=identity,
                    metadata={"space": space.name, "out": out, "dvr_ray": dvr_ray.__version__},
                    runtime_env={
                        "working_dir": folder,
                        "py_modules": [str(Path(dvr_ray.__file__).parent)],
                        "excludes": ["__pycache__"],
                    },
                )
            )

    def all(self) -> list[Job]:
        """Return all jobs of the cluster, the newest first."""
        with self._asking():
            found = [_job(each) for each in self._client.list_jobs() if each.submission_id]
        return sorted(found, key=lambda job: job.began or 0, reverse=True)

    def job(self, identity: str) -> Job:
        """Return one job.

        Raises
        ------
        ConfigError
            If the cluster has none of this name.
        """
        with self._asking(identity):
            return _job(self._client.get_job_info(identity))

    def log(self, identity: str) -> str:
        """Return all that the job has printed."""
        with self._asking(identity):
            return str(self._client.get_job_logs(identity))

    def follow(self, identity: str, tell: Callable[[str], None]) -> Job:
        """Hand on what the job printed and prints, until it ends.

        Parameters
        ----------
        identity : str
            The job.
        tell : callable
            Takes pieces of text as they come, from the beginning.

        Returns
        -------
        Job
            As it ended.

        Raises
        ------
        RunError
            If the connection breaks; the job goes on.
        """
        self.job(identity)

        async def tail() -> None:
            async for text in self._client.tail_job_logs(identity):
                tell(text)

        with self._asking(identity):
            asyncio.run(tail())
        job = self._settled(identity)
        if job.status not in ENDED:
            raise RunError(identity, "the log broke off; the job goes on", "follow it again")
        return job

    def stop(self, identity: str) -> Job:
        """End a job and wait until it has ended."""
        self.job(identity)
        with self._asking(identity):
            self._client.stop_job(identity)
        return self._settled(identity)

    def _settled(self, identity: str) -> Job:
        """Wait a little for a job that is ending."""
        until = time.monotonic() + STOP_SECONDS
        while (job := self.job(identity)).status not in ENDED and time.monotonic() < until:
            time.sleep(0.5)
        return job

    def _made(self) -> Any:
        try:
            from ray.job_submission import JobSubmissionClient
        except ImportError as error:
            raise _no_client() from error
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        secret = token()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        held = {name: os.environ.pop(name) for name in OVERRIDING if name in os.environ}
        try:
            with self._asking():
                return JobSubmissionClient(self._address, headers=headers)
        finally:
            os.environ.update(held)

    @contextmanager
    def _asking(self, identity: str = "") -> Iterator[None]:
        """Turn what Ray's client raises into one line."""
        try:
            yield
        except Exception as error:
            raise self._meaning(error, identity) from error

    def _meaning(self, error: Exception, identity: str) -> Exception:
        place, text = f"--address {self._address}", " ".join(str(error).split())
        name = type(error).__name__
        if isinstance(error, ConfigError | KeyError):
            return error
        if name == "AuthenticationError" or "status=401" in text or "status=403" in text:
            what = "the cluster has another token" if token() else "the cluster asks for a token"
            return ResourceError(
                place, what, "set RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN to that of the cluster"
            )
        if "ray[default]" in text:
            return _no_client()
        if isinstance(error, ConnectionError) or name.startswith(("Client", "WS")):
            mend = "check host and port, and the tunnel or `ray dashboard` that leads there"
            return ResourceError(place, f"nobody answers there ({_short(text)})", mend)
        if identity and "does not exist" in text:
            mend = f"see them: dvr-ray status --address {self._address}"
            return ConfigError(identity, f"no such job at {self._address}", mend)
        return RunError(place, f"the job server refused ({_short(text)})", "see the head's logs")


def token() -> str | None:
    """Return the token that Ray would use: of the environment, of the file named there, of home."""
    if given := os.environ.get("RAY_AUTH_TOKEN"):
        return given.strip()
    path = token_path()
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def is_local(address: str) -> bool:
    """Whether an address leads to this machine, or is encrypted, so that no one reads the token."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in LOCAL


def _job(found: Any) -> Job:
    known = found.metadata or {}
    began, ended = (each and each / 1000 for each in (found.start_time, found.end_time))
    status = str(getattr(found.status, "value", found.status))
    return Job(
        str(found.submission_id), status, _told(found.message or ""), began, ended,
        known.get("space", "-"), known.get("out", "-"),
    )  # fmt: skip


def _told(message: str) -> str:
    """Return the server's words without the copy of the log that it adds."""
    return " ".join(message.split(", last available logs")[0].split()).removesuffix(".")


def _short(text: str) -> str:
    # Masked first: of a URL that is cut no one sees where its password ends.
    return masked(text)[:200].rstrip(".")


def _no_client() -> ResourceError:
    return ResourceError(
        "ray", "the client of Ray's job server isn't installed", "pip install 'dvr_ray[cluster]'"
    )
