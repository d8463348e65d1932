"""``dvr-ray submit``, ``status``, ``logs`` and ``stop``: sweeps on a cluster that runs."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dvr_ray.cli.options import AsJson, More, Overrides, Resume
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import RunError

if TYPE_CHECKING:
    from dvr_ray.launching.jobs import Job, Jobs

__all__ = ["logs", "status", "stop", "submit"]

Server = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        help="Ray's job server, http://HOST:8265; by default on this machine.",
    ),
]
Identity = Annotated[str, typer.Argument(help="Name of the job, as `submit` and `status` say it.")]
HERE = "http://127.0.0.1:8265"


def submit(
    space: Annotated[Path, typer.Argument(help="Search space: run, search, tune, resources.")],
    address: Server = HERE,
    more: More = None,
    overrides: Overrides = None,
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--out", "-o", help="Folder on the cluster; by default /shared/runs/NAME."),
    ] = None,
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--name", help="Name of the job; by default the space's, with the time."),
    ] = None,
    resume: Resume = False,
    detach: Annotated[bool, typer.Option("--detach", help="Don't follow the log.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a sweep on a cluster that runs: ship this package and the space, and follow the log.

    Example: dvr-ray submit search_spaces/quickstart.yaml --address http://127.0.0.1:8265

    Ctrl-C leaves the log, and the job goes on. The cluster needs Ray and the packages that
    dvr_ray needs, but not dvr_ray; data.path is a path on the cluster.
    """
    from dvr_ray.config.load import load_space
    from dvr_ray.launching.filling import SHARED
    from dvr_ray.tuning.sweep import check_space

    screen = Screen(as_json)
    loaded = load_space(space, overrides or [], more or [])
    check_space(loaded, str(space))
    jobs = _jobs(address, screen)
    folder = out or f"{SHARED}/{loaded.name}"
    wanted = name or f"{loaded.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    identity = jobs.submit(loaded, wanted, folder, resume)
    screen.say(f"job {identity} submitted; results: {folder} on the cluster")
    if detach:
        screen.result(f"follow: dvr-ray logs {identity} --follow --address {address}")
        screen.finish({"job": identity, "status": jobs.job(identity).status, "out": folder})
        return
    _follow(jobs, identity, address, screen)


def status(
    identity: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(help="Name of the job; all of the cluster without it."),
    ] = None,
    address: Server = HERE,
    as_json: AsJson = False,
) -> None:
    """Show the jobs of a cluster, the newest first, or one of them.

    Example: dvr-ray status --address http://127.0.0.1:8265
    """
    screen = Screen(as_json)
    jobs = _jobs(address, screen)
    found = [jobs.job(identity)] if identity else jobs.all()
    rows = [[job.id, job.status, _minutes(job), job.space, job.out] for job in found]
    screen.table("jobs", ["job", "status", "minutes", "space", "results"], rows)
    if identity and found[0].message:
        screen.result(found[0].message)
    screen.finish({"jobs": [_shown(job) for job in found]})


def logs(
    identity: Identity,
    address: Server = HERE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a job has printed, from its beginning.

    Example: dvr-ray logs quickstart-20260101-120000 --follow
    """
    screen = Screen(as_json)
    jobs = _jobs(address, screen)
    if follow:
        _follow(jobs, identity, address, screen)
        return
    text = jobs.log(identity)
    _print(screen, text)
    screen.finish(_shown(jobs.job(identity)))


def stop(identity: Identity, address: Server = HERE, as_json: AsJson = False) -> None:
    """End a job. What it finished stays; submit with --resume and the same --out goes on.

    Example: dvr-ray stop quickstart-20260101-120000
    """
    screen = Screen(as_json)
    job = _jobs(address, screen).stop(identity)
    screen.result(f"job {job.id}: {job.status.lower()}")
    screen.finish(_shown(job))


def _jobs(address: str, screen: Screen) -> Jobs:
    from dvr_ray.launching.jobs import Jobs, is_local, token

    jobs = Jobs(address)
    if token() and not is_local(address):
        screen.warn("the token crosses the network unencrypted; use https, or a tunnel: ssh -L")
    return jobs


def _follow(jobs: Jobs, identity: str, address: str, screen: Screen) -> None:
    """Print the log until the job ends, or until Ctrl-C."""
    try:
        job = jobs.follow(identity, lambda text: _print(screen, text))
    except KeyboardInterrupt:
        screen.say(f"left; job {identity} goes on")
        screen.say(f"take it up: dvr-ray logs {identity} --follow --address {address}")
        screen.say(f"end it: dvr-ray stop {identity} --address {address}")
        screen.finish({"job": identity, "status": "LEFT"})
        return
    if job.status != "SUCCEEDED":
        mend = f"see the log: dvr-ray logs {identity} --address {address}"
        raise RunError(f"job {identity}", f"{job.status.lower()} ({job.message})", mend)
    screen.say(f"job {identity} succeeded; results: {job.out} on the cluster")
    screen.finish(_shown(job))


def _print(screen: Screen, text: str) -> None:
    """Hand on what a job printed; with JSON, stdout is for events."""
    stream = sys.stderr if screen.as_json else sys.stdout
    stream.write(text)
    stream.flush()


def _minutes(job: Job) -> str:
    if job.began is None:
        return "-"
    return f"{((job.ended or time.time()) - job.began) / 60:.1f}"


def _shown(job: Job) -> dict[str, Any]:
    return {"job": job.id, "status": job.status, "space": job.space, "out": job.out}
