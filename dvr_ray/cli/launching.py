"""``dvr-ray launch``: write the file that starts a cluster, and say what comes next."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dvr_ray.cli.jobs import HERE
from dvr_ray.cli.options import AsJson, More, Overrides
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import ConfigError
from dvr_ray.storage import is_address

if TYPE_CHECKING:
    from dvr_ray.launching.filling import Launch

__all__ = ["launch"]


class Target(StrEnum):
    """Where the cluster is to be."""

    aws = "aws"
    gcp = "gcp"
    onprem = "onprem"
    kuberay = "kuberay"
    slurm = "slurm"


BY_RAY_UP = ("aws", "gcp", "onprem")


def launch(
    target: Annotated[Target, typer.Argument(help="aws, gcp, onprem, kuberay or slurm.")],
    space: Annotated[Path, typer.Option("--space", help="Search space that is to run there.")],
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="Machines, pods or nodes, at most.")
    ] = 1,
    gpus_per_worker: Annotated[
        int, typer.Option("--gpus-per-worker", min=0, help="GPUs of each.")
    ] = 0,
    more: More = None,
    overrides: Overrides = None,
    image: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--image", help="Container image made from cluster/Dockerfile."),
    ] = None,
    results: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--results", help="Folder on the cluster; by default /shared/runs/NAME, or runs/NAME."
        ),
    ] = None,
    spot: Annotated[
        bool, typer.Option("--spot", help="aws, gcp: cheaper workers that may be taken away.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="kuberay: a cluster that stays, for dvr-ray submit.")
    ] = False,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="File to write; by default NAME-TARGET.yaml."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the file that starts a cluster for a search space. Starts nothing, costs nothing.

    Example: dvr-ray launch slurm --workers 2 --gpus-per-worker 1 --space search_spaces/gowalla.yaml

    Token authentication is on in every file. What only you can know stands in it as CHANGE_ME,
    and is listed with its lines.
    """
    from dvr_ray.config.load import load_space
    from dvr_ray.distributed.cluster import own_token
    from dvr_ray.launching.filling import Launch, file_name, filled, left_to_fill, results_folder
    from dvr_ray.tuning.sweep import check_space

    screen = Screen(as_json)
    loaded = load_space(space, overrides or [], more or [])
    check_space(loaded, str(space))
    if keep and target != Target.kuberay:
        raise ConfigError("--keep", f"is for kuberay, got {target.value}", "leave it out")
    file = out or file_name(target.value, loaded.name)
    words = [word for other in more or [] for word in ("--with", str(other))]
    words += [word for each in overrides or [] for word in ("--set", each)]
    asked = Launch(
        target.value, workers, gpus_per_worker, loaded, space,
        out=results or results_folder(target.value, loaded.name), file=file,
        overrides=tuple(words), spot=spot, job=not keep,
        **({"image": image} if image else {}), **_token_file(target),
    )  # fmt: skip
    text = filled(asked)
    _write(file, text, force)
    if target.value in BY_RAY_UP:
        own_token()
    gaps = left_to_fill(text)
    _show(asked, gaps, screen)
    screen.finish({"file": str(file), "fill_in": gaps, "next": _next(asked)})


def _token_file(target: Target) -> dict[str, str]:
    """Name the token's file on this machine, where files are copied from it; others make theirs."""
    from dvr_ray.distributed.cluster import token_path

    if target.value not in BY_RAY_UP:
        return {}
    path, home = token_path(), Path.home()
    if "RAY_AUTH_TOKEN" in os.environ and not path.is_file():
        rule = f"holds the token, but the cluster gets it from a file, and {path} is none"
        raise ConfigError("RAY_AUTH_TOKEN", rule, "write it there for you alone (chmod 600)")
    inside = path.is_relative_to(home)
    return {"token_file": f"~/{path.relative_to(home)}" if inside else str(path)}


def _write(file: Path, text: str, force: bool) -> None:
    from dvr_ray.files import placed

    if file.exists() and not force:
        raise ConfigError(str(file), "is there already", "add --force, or write to another --out")
    if not file.parent.is_dir():
        raise ConfigError(str(file), "no such folder", "make it, or write to another --out")
    with placed(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _show(asked: Launch, gaps: dict[str, list[int]], screen: Screen) -> None:
    machine = asked.machine
    kind = f"{machine.machine}, " if machine.machine else ""
    cpus = "" if asked.target == "onprem" else f"{machine.cpus} CPUs, "
    screen.result(
        f"{asked.file}: up to {asked.workers} worker(s), each {kind}{cpus}{asked.gpus_each}; "
        "nothing was started"
    )
    if asked.gpus and not asked.space.resources.gpus_per_worker:
        screen.warn("the space asks for no GPU: add --set resources.gpus_per_worker=1")
    data = asked.space.run.data.path
    there = data is None or is_address(data) or data.startswith("/shared/")
    if not there and asked.target != "slurm":
        screen.warn(f"{data} must be on the cluster too: --set data.path=/shared/data/...")
    for name, lines in gaps.items():
        screen.result(f"fill in {name}, line {', '.join(map(str, lines))}")
    for line in _next(asked):
        screen.result(line)


def _next(asked: Launch) -> list[str]:
    """What to do now, then, and at last."""
    file, name = shlex.quote(str(asked.file)), asked.name
    submit = shlex.join(
        [
            "dvr-ray",
            "submit",
            str(asked.place),
            *asked.overrides,
            *("--out", asked.out),
            *("--address", HERE),
        ]
    )
    if asked.target == "slurm":
        return [f"next: sbatch {file}", f"stop: scancel --name={name}"]
    if asked.target == "kuberay" and asked.job:
        return [
            f"next: kubectl apply -f {file}",
            f"follow: kubectl logs --follow job/{name}",
            f"stop: kubectl delete rayjob {name}",
        ]
    if asked.target == "kuberay":
        return [
            f"next: kubectl apply -f {file}",
            f"then: kubectl port-forward service/{name}-head-svc 8265:8265",
            "and: export RAY_AUTH_TOKEN=$(kubectl get secret "
            f"{name} -o jsonpath='{{.data.auth_token}}' | base64 -d)",
            f"and: {submit}",
            f"stop, or its nodes go on costing money: kubectl delete raycluster {name}",
        ]
    return [
        f"next: ray up {file}",
        f"then, in a terminal of its own: ray dashboard {file}",
        f"and: {submit}",
        f"stop, or it goes on costing money: ray down {file}",
    ]
