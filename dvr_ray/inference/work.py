"""The files that stages of a valuation leave for each other, each whole or absent.

They lie in a hidden folder beside the results, on storage that all workers see, and go when the
results are complete. A stage whose file of a number exists isn't run for it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dvr_ray.data.compact import CompactLog
from dvr_ray.files import placed
from dvr_ray.inference.blocks import Blocks

__all__ = ["Engine", "InProcess", "Stage", "Work"]


@dataclass(frozen=True, eq=False)
class Work:
    """A folder of arrays, by name and perhaps by number.

    Parameters
    ----------
    folder : Path
        Exists.
    """

    folder: Path

    def __reduce__(self) -> Any:
        """Go to other processes as a path."""
        return Work, (self.folder,)

    def path(self, name: str, number: int | None = None) -> Path:
        """Return where an array is, or will be."""
        return self.folder / (f"{name}.npy" if number is None else f"{name}-{number:05d}.npy")

    def has(self, name: str, number: int | None = None) -> bool:
        """Whether it is there."""
        return self.path(name, number).exists()

    def save(self, array: np.ndarray, name: str, number: int | None = None) -> None:
        """Write an array at once or not at all."""
        with placed(self.path(name, number)) as temporary, temporary.open("wb") as file:
            np.save(file, array)

    def load(self, name: str, number: int | None = None, *, mapped: bool = False) -> np.ndarray:
        """Read an array; mapped into memory where processes share it."""
        array = np.load(self.path(name, number), mmap_mode="r" if mapped else None)
        return np.asarray(array)

    @cached_property
    def log(self) -> CompactLog:
        """The log."""
        return CompactLog.open(self.folder / "log")

    @cached_property
    def blocks(self) -> Blocks:
        """Its blocks."""
        return Blocks(self.load("block users"), self.load("block starts"), self.log.user_counts)


class Stage(Protocol):
    """One kind of work, for every number of a list; goes to workers by pickle."""

    @property
    def name(self) -> str:
        """For progress."""

    def done(self, number: int) -> bool:
        """Whether the work of a number was done before."""

    def __call__(self, number: int) -> None:
        """Do the work of a number and leave its file."""


class Engine(Protocol):
    """Whoever runs stages."""

    def run(self, stage: Stage, numbers: list[int]) -> Iterator[int]:
        """Run a stage for some numbers and yield each when it is done, in any order."""


class InProcess:
    """Runs stages here, one number after the other."""

    def run(self, stage: Stage, numbers: list[int]) -> Iterator[int]:
        """Run a stage for some numbers."""
        for number in numbers:
            stage(number)
            yield number
