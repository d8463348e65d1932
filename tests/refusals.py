"""Commands that must be refused: one line, the right code, and nothing changed on the disk."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

from dvr_ray.cli.main import main

# A lock is an empty file that stays, and the log grows; neither hinders anybody.
KEPT = {".lock", ".run.lock", "log.txt"}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; of folders their names."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"(folder)"
        for path in folder.rglob("*")
        if path.name not in KEPT
    }


def called(*arguments: object) -> tuple[int, str]:
    """Run the command line in this process; its code and what it said on stderr."""
    said, shown = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(shown),
        pytest.raises(SystemExit) as exit_info,
    ):
        patch.setattr(sys, "argv", ["dvr-ray", *map(str, arguments)])
        main()
    code = exit_info.value.code
    assert code is None or isinstance(code, int)
    return code or 0, said.getvalue()


def refusal(*arguments: object, code: int = 2) -> str:
    """The one error line of a command that must be refused."""
    found, said = called(*arguments)
    errors = [line for line in said.splitlines() if line.startswith("error ")]
    assert found == code, (found, said)
    assert len(errors) == 1 and "Traceback" not in said, said
    line = errors[0].removeprefix("error ")
    # place: rule; mend
    assert re.fullmatch(r".+: .+; .+", line), line
    return line


def refused(root: Path, wanted: list[str], *arguments: object, code: int = 2) -> None:
    """Run a command that must be refused, and compare the folder before and after.

    Parameters
    ----------
    root : Path
        Everything below it must stay as it is.
    wanted : list of str
        Parts of the line: place, rule, value, mend.
    *arguments : object
        Of the command.
    code : int
        The exit code.
    """
    before = files(root)
    line = refusal(*arguments, code=code)
    assert all(part in line for part in wanted), f"{wanted} not all in: {line}"
    assert files(root) == before
