"""``manifest.json``: what a sweep was made of, what it spent, and every look at test."""

from __future__ import annotations

import hashlib
import json
import platform
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dvr_ray import __version__
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import CheckpointError
from dvr_ray.metrics import parse
from dvr_ray.training.checkpoint import write_json

__all__ = ["Manifest", "space_hash"]

NEEDED = {"space_hash", "data_fingerprint", "seeds", "looks_at_test", "test_looks"}


class Manifest:
    """``manifest.json``: what the sweep was made of, what it spent, and every look at test.

    Parameters
    ----------
    folder : Path
        The sweep's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "manifest.json"
        self.content: dict[str, Any] = {}
        self._writing = threading.Lock()
        if self.path.exists():
            self.content = self._read()

    def _read(self) -> dict[str, Any]:
        mend = "restore it from a copy, or use another --out"
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            spent = float(found["budget"]["seconds_spent"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise CheckpointError(str(self.path), f"can't be read ({cause})", mend) from error
        if spent < 0 or not found.keys() >= NEEDED:
            missing = ", ".join(sorted(NEEDED - found.keys())) or "a budget that was spent"
            raise CheckpointError(str(self.path), f"must hold {missing}", mend)
        return dict(found)

    def check_data(self, fingerprint: str) -> None:
        """Refuse to go on with other data than the sweep was begun with.

        Raises
        ------
        CheckpointError
            If the fingerprints differ.
        """
        began = self.content["data_fingerprint"]
        if began != fingerprint:
            raise CheckpointError(
                str(self.path),
                f"the sweep was begun with other data ({began}, now {fingerprint})",
                "bring the files back, or use another --out",
            )

    @classmethod
    def begin(cls, folder: Path, space: SearchSpace, fingerprint: str) -> Manifest:
        """Open the manifest of a sweep, new or resumed."""
        manifest = cls(folder)
        if not manifest.content:
            packages = ("torch", "ray", "optuna", "numpy", "pandas")
            manifest.content = {
                "name": space.name,
                "created": _now(),
                "versions": {
                    "python": platform.python_version(),
                    "dvr_ray": __version__,
                    **{name: version(name) for name in packages},
                },
                "data_fingerprint": fingerprint,
                "space_hash": space_hash(space),
                "seeds": {"search": space.tune.seed, "final": []},
                "objectives": list(space.tune.objectives),
                "directions": {name: _direction(name) for name in space.tune.objectives},
                "budget": {
                    "trials": space.tune.trials,
                    "minutes": space.tune.minutes,
                    "seconds_spent": 0.0,
                },
                "looks_at_test": 0,
                "test_looks": [],
            }
            manifest.write()
        return manifest

    @property
    def seconds_spent(self) -> float:
        """Seconds of searching so far."""
        return float(self.content["budget"]["seconds_spent"])

    def number(self, folder: str) -> int:
        """Return the number of a trial by its folder; a new one gets the next, for good."""
        order: list[str] = self.content.setdefault("order", [])
        if folder not in order:
            order.append(folder)
            self.write()
        return order.index(folder)

    def spend(self, seconds: float) -> None:
        """Add searching time."""
        self.content["budget"]["seconds_spent"] = round(self.seconds_spent + seconds, 2)
        self.write()

    def look_at_test(self, what: str) -> None:
        """Write down a look at the test part, before it is taken."""
        self.content["looks_at_test"] += 1
        self.content["test_looks"].append({"when": _now(), "what": what})
        self.write()

    def write(self) -> None:
        """Write the file; any thread may."""
        with self._writing:
            write_json(self.path, dict(self.content))


def space_hash(space: SearchSpace) -> str:
    """Twelve hex digits over what decides a sweep's trials; budgets may change on resuming."""
    content = space.model_dump(mode="json")
    for name in ("trials", "minutes", "concurrent", "final_seeds"):
        del content["tune"][name]
    del content["resources"], content["tracking"]
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _direction(objective: str) -> str:
    return "maximize" if parse(objective).higher_is_better else "minimize"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
