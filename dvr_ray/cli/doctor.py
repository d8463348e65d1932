"""``dvr-ray doctor``: what this machine offers, what is missing and why it matters."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dvr_ray.cli.options import AsJson
from dvr_ray.cli.screen import Screen

__all__ = ["Finding", "doctor", "findings", "resources", "versions"]

PACKAGES = ("dvr_ray", "ray", "torch", "optuna", "numpy", "pandas", "pyarrow", "pydantic")
OPTIONAL = {
    "optuna-dashboard": "opens study.log of a sweep in a browser",
    "tensorboardX": "writes TensorBoard events",
    "mlflow": "logs runs to MLflow",
    "wandb": "logs runs to Weights & Biases",
    "ray[default]": "submits to clusters, and serves the dashboard of a head",
}
MODULES = {"optuna-dashboard": "optuna_dashboard", "ray[default]": "aiohttp_cors"}
GIB = 2**30
LEAST_DISK, LEAST_FILES = 1 * GIB, 4096


@dataclass(frozen=True)
class Finding:
    """Something that is missing or too small.

    Parameters
    ----------
    what : str
        The thing, with what was found.
    matters : str
        What it is for, or what goes wrong without it.
    mend : str
        What to do, in one line.
    needed : bool
        Whether ordinary runs suffer; else it is an option.
    """

    what: str
    matters: str
    mend: str
    needed: bool


def doctor(as_json: AsJson = False) -> None:
    """Show versions, resources, and what is missing and why it matters. Changes nothing.

    Example: dvr-ray doctor

    The exit code is 0 whatever is found.
    """
    screen = Screen(as_json)
    have, offers, missing = versions(), resources(), list(findings())
    screen.table("versions", ["package", "version"], [list(pair) for pair in have.items()])
    screen.table("this machine", ["what", "found"], [list(pair) for pair in offers.items()])
    for title, needed in (("to mend", True), ("optional, not there", False)):
        lines = [f"  {f.what}: {f.matters}; {f.mend}" for f in missing if f.needed is needed]
        for line in [title, *lines] if lines else []:
            screen.result(line)
    if not any(finding.needed for finding in missing):
        screen.result("nothing that ordinary runs need is missing")
    screen.finish(
        {"versions": have, "resources": offers, "missing": [asdict(each) for each in missing]}
    )


def versions() -> dict[str, str]:
    """Return versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }


def resources() -> dict[str, str]:
    """Return what runs can use: CPUs, GPUs, memory, disk, shared memory, open files."""
    import torch

    from dvr_ray.files import cache_folder

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ", ".join(sorted({torch.cuda.get_device_name(number) for number in range(gpus)}))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "CPUs": str(os.cpu_count()),
        "GPUs": f"{gpus}{f' ({names})' if gpus else ''}",
        "memory": _gib(memory),
        "free disk here": _gib(_free(Path.cwd())),
        "free disk for temporary files": _gib(_free(Path(tempfile.gettempdir()))),
        "shared memory": _gib(_free(Path("/dev/shm"))),
        "open files at once": str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        "cache of parsed logs": str(cache_folder()),
        "RAY_ADDRESS": os.environ.get("RAY_ADDRESS", "not set: tune starts Ray here"),
    }


def findings() -> Iterator[Finding]:
    """Yield what is missing: what ordinary runs need first, then options."""
    yield from _folders()
    yield from _token()
    yield from _space()
    yield from _limits()
    yield from _gpus()
    yield from _packages()


def _folders() -> Iterator[Finding]:
    from dvr_ray.files import cache_folder

    for what, path, mend in (
        ("home folder", Path.home(), "set HOME, or RAY_AUTH_TOKEN_PATH and DVR_RAY_CACHE"),
        ("current folder", Path.cwd(), "go to another folder or give --out"),
        ("cache folder", cache_folder(), "set DVR_RAY_CACHE, or data.cache: false"),
    ):
        if not _writable(path):
            yield Finding(
                f"{what} {path} can't be written",
                "tokens, parsed logs and results are kept there",
                mend,
                needed=True,
            )


def _token() -> Iterator[Finding]:
    """A token that others can read lets them run code in a cluster that is started here."""
    from dvr_ray.distributed.cluster import token_path

    path = token_path()
    if path.is_file() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(
            f"Ray's token {path} can be read by others",
            "whoever has it can run code in your clusters",
            f"chmod 600 {path}",
            needed=True,
        )
    if os.environ.get("RAY_AUTH_TOKEN_PATH") and not path.is_file():
        yield Finding(
            f"RAY_AUTH_TOKEN_PATH names no file: {path}",
            "Ray can't start or be reached without its token",
            "unset it, or run: ray get-auth-token --generate",
            needed=True,
        )


def _space() -> Iterator[Finding]:
    from dvr_ray.distributed.cluster import OBJECT_STORE_BYTES

    shared = _free(Path("/dev/shm"))
    if shared < OBJECT_STORE_BYTES:
        yield Finding(
            f"shared memory /dev/shm has {_gib(shared)} free",
            f"Ray keeps up to {_gib(OBJECT_STORE_BYTES)} of data there, else on disk, slowly",
            "enlarge it; for a container: --shm-size=1g",
            needed=True,
        )
    places = {"here": Path.cwd(), "for temporary files": Path(tempfile.gettempdir())}
    for where, path in places.items():
        if _free(path) < LEAST_DISK:
            yield Finding(
                f"{_gib(_free(path))} of disk is free {where} ({path})",
                "checkpoints, results and Ray's logs may not fit",
                "free some, or set --out" if where == "here" else "free some, or set TMPDIR",
                needed=True,
            )


def _limits() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < LEAST_FILES:
        limit = LEAST_FILES if hard < 0 else min(hard, LEAST_FILES)
        yield Finding(
            f"soft limit of open files is {soft}",
            "Ray opens many sockets and files and fails in odd ways at the limit",
            f"ulimit -n {limit}" if limit > soft else "let root raise it in limits.conf",
            needed=True,
        )


def _gpus() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        return
    if Path("/dev/nvidia0").exists():
        yield Finding(
            "a GPU is there, but torch can't use it",
            "resources.gpus_per_worker above 0 will fail",
            "install a CUDA build of torch that fits the driver",
            needed=True,
        )
    else:
        yield Finding(
            "no GPU is visible",
            "models train on the CPU, which is enough for matrix factorisation",
            "none needed; otherwise check nvidia-smi and CUDA_VISIBLE_DEVICES",
            needed=False,
        )


def _packages() -> Iterator[Finding]:
    for name, purpose in OPTIONAL.items():
        if importlib.util.find_spec(MODULES.get(name, name)) is None:
            yield Finding(
                f"package {name}", purpose, f"pip install {shlex.quote(name)}", needed=False
            )
    try:
        from pyarrow.fs import S3FileSystem  # noqa: F401
    except ImportError:
        yield Finding(
            "pyarrow without S3",
            "Ray can't keep a cluster's files on S3",
            "pip install --force-reinstall pyarrow",
            needed=False,
        )


def _writable(path: Path) -> bool:
    """Whether a folder can be written, or made in the nearest folder above that is there."""
    there = next((each for each in (path, *path.parents) if each.exists()), path)
    return there.is_dir() and os.access(there, os.W_OK)


def _free(path: Path) -> int:
    """Free bytes of the file system of a folder; 0 where there is none."""
    return shutil.disk_usage(path).free if path.is_dir() else 0


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
