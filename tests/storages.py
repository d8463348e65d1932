"""A storage that fails, and machines by their names."""

from __future__ import annotations

from collections.abc import Callable

from dvr_ray.errors import StorageError

__all__ = ["Faulty", "Machine"]

Machine = Callable[[str], None]


class Faulty:
    """Counts uploads, and lets them fail from one on, so many times or for ever."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.good = -1
        self.bad = -1

    def fail(self, good: int = 0, bad: int = -1) -> None:
        """Let so many uploads pass and so many fail; -1 is all of them."""
        self.sent, self.good, self.bad = [], good, bad

    def __call__(self, name: str) -> None:
        if 0 <= self.good <= len(self.sent) and self.bad:
            self.bad -= 1
            raise StorageError("file://there", "can't be used (unplugged)", "plug it in")
        self.sent.append(name)
