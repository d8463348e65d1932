"""Fills in the files that start a cluster; the files in ``cluster/`` are what comes out here.

Names that begin with CHANGE_ME stay for whoever starts the cluster.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dvr_ray import __version__
from dvr_ray.config.load import dumped
from dvr_ray.config.space import SearchSpace
from dvr_ray.distributed.capacity import Cluster, Node, check_fit
from dvr_ray.errors import ConfigError
from dvr_ray.launching.machines import HEADS, Machine, machine_for

__all__ = [
    "IMAGE_RAY",
    "SHARED",
    "TARGETS",
    "Launch",
    "file_name",
    "filled",
    "left_to_fill",
    "results_folder",
    "slug",
]

IMAGE_RAY = "2.60.0"
"""Ray's version in the image, as in ``cluster/requirements.txt``."""
SHARED = "/shared/runs"
"""Where results go: storage that every machine of a cluster sees."""
TARGETS = {
    "aws": "aws.yaml",
    "gcp": "gcp.yaml",
    "onprem": "onprem.yaml",
    "kuberay": "kuberay.yaml",
    "slurm": "slurm.sbatch",
}
NO_IMAGE = f"CHANGE_ME_REGISTRY/dvr-ray:{__version__}"
SPOT = ("aws", "gcp")
IDLE_MINUTES = 5
UNKNOWN_CPUS = 10**6  # of machines of one's own
LONGEST_NAME = 40  # Kubernetes appends to it, and allows 63
# The file system of the container can't be read-only: `ray up` writes its own files there.
RUN_OPTIONS = [
    "--ulimit nofile=65536:65536",
    "-v /shared:/shared",
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
]
CONFIG = "--autoscaling-config=~/ray_bootstrap_config.yaml"
PLACEHOLDER = re.compile(r"CHANGE_ME\w*")


@dataclass(frozen=True)
class Launch:
    """A cluster that is asked for.

    Parameters
    ----------
    target : str
        One of `TARGETS`.
    workers : int
        Workers at most, at least 1: machines, pods or nodes.
    gpus : int
        GPUs of each.
    space : SearchSpace
        What is to run there.
    place : Path
        The file of the space, for commands and messages.
    out : str
        Folder of results, on the cluster.
    file : Path
        Where the filled file will lie.
    overrides : tuple of str
        What ``--set`` and ``--with`` changed, as words of a command.
    image : str
        Container image, or `NO_IMAGE`.
    spot : bool
        Whether workers may be taken away (cheaper); of clouds only.
    job : bool
        For KubeRay: a cluster for this sweep alone, or one that stays.
    token_file : str
        The token's file on the machine that starts the cluster.
    """

    target: str
    workers: int
    gpus: int
    space: SearchSpace
    place: Path
    out: str
    file: Path
    overrides: tuple[str, ...] = ()
    image: str = NO_IMAGE
    spot: bool = False
    job: bool = True
    token_file: str = "~/.ray/auth_token"

    @property
    def machine(self) -> Machine:
        """What one worker is."""
        return machine_for(self.target, self.gpus)

    @property
    def gpus_each(self) -> str:
        """GPUs of a worker in words."""
        return f"{self.gpus or 'no'} GPU{'s' if self.gpus > 1 else ''}"

    @property
    def name(self) -> str:
        """The cluster's name, as Kubernetes and clouds allow it."""
        return slug(self.space.name)


def results_folder(target: str, name: str) -> str:
    """Return where results go by default; Slurm starts jobs in a folder that all nodes see."""
    return f"runs/{name}" if target == "slurm" else f"{SHARED}/{name}"


def file_name(target: str, name: str) -> Path:
    """Return the file that is written by default."""
    return Path(f"{slug(name)}-{target}.{'sbatch' if target == 'slurm' else 'yaml'}")


def slug(name: str) -> str:
    """Return a name of small letters, digits and hyphens that begins with a letter."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    named = words if words[:1].isalpha() else f"dvr-{words}".strip("-")
    return named[:LONGEST_NAME].strip("-")


def filled(launch: Launch) -> str:
    """Return the text of the file that starts a cluster.

    Raises
    ------
    ConfigError
        If there is no such machine, or spot was asked for where there is none.
    ResourceError
        If one trial of the space can't fit in the cluster.
    """
    _check(launch)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "files"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    words = _words(launch)
    spec = environment.get_template("ray_cluster_spec.yaml").render(words).strip()
    return environment.get_template(TARGETS[launch.target]).render(words, cluster_spec=spec)


def left_to_fill(text: str) -> dict[str, list[int]]:
    """Return every placeholder with the lines that hold it, in order."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for name in PLACEHOLDER.findall(line):
            found.setdefault(name, []).append(number)
    return found


def _check(launch: Launch) -> None:
    if launch.spot and launch.target not in SPOT:
        raise ConfigError(
            "--spot", f"is for {' and '.join(SPOT)}, got {launch.target}",
            "leave it out; for Kubernetes choose nodes by a nodeSelector in the file",
        )  # fmt: skip
    resources = launch.space.resources
    cpus = UNKNOWN_CPUS if launch.target == "onprem" else launch.machine.cpus
    if resources.cpus_per_worker > cpus or resources.gpus_per_worker > launch.gpus:
        raise ConfigError(
            f"{launch.place}: resources",
            f"a worker of a trial needs {resources.cpus_per_worker:g} CPUs and "
            f"{resources.gpus_per_worker:g} GPUs of one machine, which has {cpus:g} and "
            f"{launch.gpus}",
            "raise --gpus-per-worker, or lower resources.cpus_per_worker or .gpus_per_worker",
        )
    check_fit(Cluster((Node(cpus, launch.gpus),) * launch.workers), resources)


def _words(launch: Launch) -> dict[str, object]:
    """What the templates name."""
    machine = launch.machine
    cpus, gpus = machine.cpus * launch.workers, launch.gpus * launch.workers
    grows = f"CPU={cpus} GPU={gpus}"
    start = f"ray start --head --port=6379 --num-cpus=0 --dashboard-host=127.0.0.1 {CONFIG}"
    # Machines of one's own are all there from the beginning, and their CPUs aren't known here.
    promise = "" if launch.target == "onprem" else f'DVR_RAY_GROWS_TO="{grows}" '
    return {
        "command": _command(launch),
        "entrypoint": _entrypoint(launch),
        "file": shlex.quote(str(launch.file)),
        "gpus": launch.gpus,
        "gpus_each": launch.gpus_each,
        "grows": grows,
        "head": HEADS.get(launch.target),
        "head_start": f"RAY_AUTH_MODE=token {promise}{start}",
        "idle": IDLE_MINUTES,
        "image": launch.image,
        "job": launch.job,
        "machine": machine,
        "name": launch.name,
        "ray": IMAGE_RAY,
        "resources": json.dumps({"CPU": machine.cpus, "GPU": launch.gpus}),
        "run_options": json.dumps(RUN_OPTIONS),
        "space_text": dumped(launch.space),
        "spot": launch.spot,
        "token_file": json.dumps(launch.token_file),
        "worker_start": "RAY_AUTH_MODE=token ray start --address=$RAY_HEAD_IP:6379",
        "workers": launch.workers,
    }


def _command(launch: Launch) -> str:
    words = ["dvr-ray", "launch", launch.target, "--workers", str(launch.workers)]
    words += ["--gpus-per-worker", str(launch.gpus), "--space", str(launch.place)]
    words += launch.overrides
    words += ["--image", launch.image] if launch.image != NO_IMAGE else []
    usual = results_folder(launch.target, launch.space.name)
    words += ["--results", launch.out] if launch.out != usual else []
    words += ["--spot"] if launch.spot else []
    words += [] if launch.job else ["--keep"]
    usual_file = file_name(launch.target, launch.space.name)
    words += ["--out", str(launch.file)] if launch.file != usual_file else []
    return shlex.join(words)


def _entrypoint(launch: Launch) -> str:
    """Return the command that runs the sweep on the cluster."""
    mounted = launch.target == "kuberay"  # with all overrides in it
    space = ["/space/space.yaml"] if mounted else [str(launch.place), *launch.overrides]
    words = ["dvr-ray", "tune", *space, "--out", launch.out, "--address", "auto", "--resume"]
    return shlex.join(words)
