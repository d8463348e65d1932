"""A terminal in memory: a program runs in a pty, and its screen is what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence

ROWS, COLUMNS = 50, 110
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


def run_in_terminal(
    command: Sequence[str], env: dict[str, str] | None = None, timeout: float = 200
) -> tuple[int, str, list[str]]:
    """Run a command whose stdout and stderr are a terminal.

    Returns
    -------
    tuple
        Exit code, the screen at the end, and every screen that was seen, in order.
    """
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    # They would stand for the size of this terminal; pytest-xdist sets them.
    sizes = ("LINES", "COLUMNS")
    named = {name: value for name, value in os.environ.items() if name not in sizes}
    named |= {"TERM": "xterm-256color", **(env or {})}
    process = subprocess.Popen(
        command, stdin=inside, stdout=inside, stderr=inside, env=named, close_fds=True
    )
    os.close(inside)
    written = b""
    while True:
        try:
            part = os.read(outside, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
    os.close(outside)
    code = process.wait(timeout)
    screens = _screens(written.decode("utf-8"))
    return code, screens[-1], screens


def _screens(text: str) -> list[str]:
    """Follow the control sequences that redraw lines: carriage return, up, erase line."""
    lines, row, column, drawn = [""], 0, 0, False
    seen: list[str] = []
    for token in TOKEN.finditer(text):
        shown, kind = token.group(0), token.group(2)
        if kind == "K":
            if drawn:
                seen.append("\n".join(lines))
            lines[row], drawn = "", False
        elif kind == "A":
            row = max(0, row - int(token.group(1) or 1))
        elif shown == "\r":
            column = 0
        elif shown == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        elif kind is None:
            line = lines[row]
            lines[row] = line[:column].ljust(column) + shown + line[column + len(shown) :]
            column, drawn = column + len(shown), True
    return [*seen, "\n".join(lines)]
