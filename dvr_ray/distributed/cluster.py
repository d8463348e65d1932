"""Connecting to a Ray cluster, or starting a quiet one on this machine."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.distributed.capacity import Cluster, Node, check_fit
from dvr_ray.errors import ResourceError

__all__ = ["connect", "disconnect", "own_token", "token_path"]

LOG = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 512 * 2**20
LARGEST_PORT = 65535
PATIENCE_SECONDS = 5.0
QUIET = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # the default of 2 s is long for small trials
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the searcher remembers itself
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports its cause alone
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # we say it in a line
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C reaches us
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "30",  # then it's looked what there is room for
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no event files of its own
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def connect(address: str | None, resources: ResourcesConfig, verbose: bool = False) -> Cluster:
    """Connect to Ray, or start it here, after checking that a trial fits.

    A cluster started here asks for a token that only this user can read, has no dashboard, and
    dies with this process.

    Parameters
    ----------
    address : str or None
        ``auto``, ``host:port``, or None to start one on this machine.
    resources : ResourcesConfig
        What one trial needs.
    verbose : bool
        Whether Ray's own messages, and what workers print, come to the terminal.

    Returns
    -------
    Cluster
        What it has in all, or may grow to.

    Raises
    ------
    ResourceError
        If the cluster can't be reached, or one trial can't fit in it.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    address = (os.environ.get("RAY_ADDRESS") or None) if address is None else address
    _check_address(address)
    local = address is None
    if local and not resources.gpus_per_worker and not resources.node_labels:
        check_fit(Cluster((Node(os.cpu_count() or 1),)), resources)
    import ray

    level = logging.INFO if verbose else logging.ERROR
    options: dict[str, object] = {"log_to_driver": verbose, "logging_level": level}
    if local:
        own_token()
        # "local": without it Ray would join whatever cluster `ray start` left on this machine.
        options |= {"address": "local", "include_dashboard": False}
        options["object_store_memory"] = OBJECT_STORE_BYTES
    else:
        options["address"] = address
        # Somebody listens there; who has no token needn't wait for 20 s to be told.
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "5")
    if not verbose:
        ray._private.worker.print_to_stdstream = _to_log
    ends = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises bare ones too, as when a node doesn't start in time
        first = (str(error).splitlines() or [type(error).__name__])[0]
        mend = (
            "check the address; if it asks for a token: export RAY_AUTH_MODE=token, and give it in "
            "~/.ray/auth_token or RAY_AUTH_TOKEN_PATH"
        )
        if options["address"] == "local":
            mend = "try again when this machine is less busy"
        place = f"--address {address}" if address else "Ray"
        raise ResourceError(place, f"can't connect to Ray ({first})", mend) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ends)  # Ray's own aborts this process with a stack of its own
    try:
        cluster = Cluster.look().grown()
        check_fit(cluster, resources)
    except ResourceError:
        ray.shutdown()
        raise
    return cluster


def _to_log(said: dict[str, Any], ignore_prefix: bool = False) -> None:
    """Take what Ray would print on stdout, such as that a node is lost: there our results go."""
    LOG.info("%s: %s", said.get("pid"), " ".join(said["lines"]))


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    import ray

    ray.shutdown()


def _check_address(address: str | None) -> None:
    """Refuse an address where nobody listens at once; Ray would try for a minute."""
    if address in (None, "auto", "local") or "://" in str(address):
        return
    place = f"--address {address}"
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit() or int(port) > LARGEST_PORT:
        rule = f"must be auto or host:port, got {address or 'nothing'}"
        raise ResourceError(place, rule, "mend it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_SECONDS).close()
    except OSError as error:
        raise ResourceError(
            place,
            f"nobody answers there ({error.strerror or error})",
            "check host and port, and that `ray start --head` runs there",
        ) from error


def token_path() -> Path:
    """Return the file where Ray looks for the token, unless RAY_AUTH_TOKEN holds it."""
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(given) if given else Path.home() / ".ray" / "auth_token"


def own_token() -> None:
    """Make sure that there is a token, in a file that this user alone can read.

    Ray turns token authentication on for a cluster that it starts here, but would write a new
    token file readable by everybody. A token that is given otherwise is left alone.
    """
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        return
    path = token_path()
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        return
