"""A headless Chromium, driven by its DevTools protocol over two pipes; nothing else is needed.

Messages are JSON, each ended by a zero byte; see https://chromedevtools.github.io/devtools-protocol.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
LIMIT = 40.0
# Chromium reads from descriptor 3 and writes to 4.
HANDOVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def find_chromium() -> str:
    """Return the path of a Chromium, or skip the test."""
    given = os.environ.get("DVR_RAY_CHROMIUM")
    found = given or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(NAMES)} (set DVR_RAY_CHROMIUM)")
    return found


class Browser:
    """One tab; use it in a ``with``."""

    def __init__(self) -> None:
        program = find_chromium()
        self._profile = tempfile.mkdtemp(prefix="dvr-ray-chromium-")
        read, self._write = _high_pipe()
        self._read, write = _high_pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", HANDOVER, str(read), str(write), program, *FLAGS[:-1],
             f"--user-data-dir={self._profile}", FLAGS[-1]],
            pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        self._rest, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError, AssertionError, EOFError):
            self._session = ""
            self.send("Browser.close")
        os.close(self._write)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and return its result; what happens meanwhile is added to `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path, width: int = 1200, height: int = 900) -> None:
        """Load a page from disk in a window of so many pixels, and wait until it is drawn."""
        self.resize(width, height)
        self.events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        self.wait_for(
            "document.readyState === 'complete' && "
            "[...document.querySelectorAll('[data-figure]')].every(f => f.querySelector('svg'))"
        )

    def resize(self, width: int, height: int) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)  # fmt: skip

    def media(self, kind: str = "", scheme: str = "light") -> None:
        """Pretend to be paper (``print``), or that the user likes it dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=kind, features=features)

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + LIMIT
        while not self.evaluate(script):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.05)

    def click(self, script: str, times: int = 1) -> None:
        """Click on the middle of an element that an expression gives."""
        found = self.evaluate(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect(); "
            f"return [b.x + b.width / 2, b.y + b.height / 2]; }})({script})"
        )
        for kind in ("mouseMoved", *["mousePressed", "mouseReleased"] * times):
            button = "none" if kind == "mouseMoved" else "left"
            self.send("Input.dispatchMouseEvent", type=kind, x=found[0], y=found[1],
                      button=button, clickCount=times)  # fmt: skip

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.send("Input.insertText", text=text)

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])

    def picture(self, path: Path) -> None:
        """Save a picture of the whole page, for a look at it."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings on the console, and exceptions that nobody caught."""
        found = []
        for event in self.events:
            method, told = event["method"], event.get("params", {})
            wrong = method == "Runtime.exceptionThrown"
            wrong |= method == "Log.entryAdded"
            wrong |= method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning")
            found += [json.dumps(told)] if wrong else []
        return found

    @property
    def requested(self) -> list[str]:
        """Addresses that the page asked for, its own first."""
        return [e["params"]["request"]["url"] for e in self.events
                if e["method"] == "Network.requestWillBeSent"]  # fmt: skip

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "Chromium doesn't answer"
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise EOFError("Chromium has gone")
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


def _high_pipe() -> tuple[int, int]:
    """Open a pipe whose ends have numbers from 10 on, out of the way of 3 and 4."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]
