"""``dvr-ray``: verbs, exit codes, and errors in one line.

Exit codes: 0 done, 1 failed while running, 2 wrong request or input, 130 interrupted, 143 SIGTERM.
"""

from __future__ import annotations

import errno
import signal
import sys
from itertools import pairwise
from typing import NoReturn

import typer

from dvr_ray import __version__
from dvr_ray.cli import (
    auditing,
    datasets,
    doctor,
    explaining,
    inspecting,
    jobs,
    launching,
    recommending,
    studying,
    sweeping,
    training,
    valuing,
)
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import DvrRayError, masked
from dvr_ray.events import Failed

__all__ = ["app", "main"]

INTERRUPTED, TERMINATED = 130, 128 + signal.SIGTERM
# What no check beforehand can find.
WHILE_RUNNING = {errno.ENOSPC, errno.EDQUOT, errno.EIO}

app = typer.Typer(
    name="dvr-ray",
    help="Find the interactions worth learning from, and tune recommenders that learn from them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("train")(training.train)
app.command("tune")(sweeping.tune)
app.command("study")(studying.study)
app.command("report")(inspecting.report)
app.command("values")(valuing.values)
app.command("prune")(valuing.prune)
app.command("audit")(auditing.audit)
app.command("explain")(explaining.explain)
app.command("recommend")(recommending.recommend)
app.command("doctor")(doctor.doctor)
app.command("launch")(launching.launch)
app.command("submit")(jobs.submit)
app.command("status")(jobs.status)
app.command("logs")(jobs.logs)
app.command("stop")(jobs.stop)
data = typer.Typer(help="Look at data sets, convert and split them.", no_args_is_help=True)
data.command("describe")(datasets.describe_data)
data.command("convert")(datasets.convert_data)
data.command("split")(datasets.split_data)
app.add_typer(data, name="data")


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    # Even a command line that can't be read may have asked for JSON.
    screen = Screen(as_json="--json" in sys.argv)
    signals: list[int] = []

    def terminate(number: int, frame: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt  # what is open is closed on the way out, as after Ctrl-C

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # typer turns Ctrl-C into this code
            why, code = ("ended by SIGTERM", TERMINATED) if signals else ("interrupted", code)
            _end(screen, f"{why}; the same command with --resume goes on from here", code)
    except DvrRayError as error:
        code = _end(screen, str(error), error.exit_code)
    except OSError as error:
        place = error.filename or "file system"
        text = f"{place}: {error.strerror or error}; check path, rights and free space"
        code = _end(screen, text, 1 if error.errno in WHILE_RUNNING else 2)
    except MemoryError as error:
        text = f"memory: none is left ({error}); use a smaller batch, model or data set"
        code = _end(screen, text, 1)
    except Exception as error:
        code = _usage(error, screen)
    sys.exit(code or 0)


def _end(screen: Screen, text: str, code: int) -> int:
    """Show why there is no result, for people and for programs."""
    text = masked(text)
    screen.error(text)
    screen.event(Failed(text, code))
    return code


def _given(error: Exception) -> str:
    """Say which value a wrong option was given."""
    names = getattr(getattr(error, "param", None), "opts", [])
    found = [value for option, value in pairwise(sys.argv) if option in names]
    return f", got {found[-1]!r}" if found else ""


def _usage(error: Exception, screen: Screen) -> int:
    """Show a wrong command line in one line; anything else is a bug and keeps its traceback."""
    show = getattr(error, "format_message", None)
    if show is None:
        raise error
    text = " ".join(str(show()).split()).removesuffix(".") + _given(error)
    line = f"{text}; see dvr-ray --help" if text else "see dvr-ray --help"
    return _end(screen, line, int(getattr(error, "exit_code", 2)))
