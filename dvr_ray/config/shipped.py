"""Studies that come with the package, found by name."""

from __future__ import annotations

from pathlib import Path

from dvr_ray.errors import ConfigError, nearest

__all__ = ["study_path"]

PACKAGE = Path(__file__).parents[1]
# In an installed package, and in a checkout.
FOLDERS = (PACKAGE / "search_spaces" / "studies", PACKAGE.parent / "search_spaces" / "studies")


def study_path(named: str) -> Path:
    """Return the file of a study.

    Parameters
    ----------
    named : str
        A file, or the name of a shipped study.

    Raises
    ------
    ConfigError
        If it is neither; the nearest names are told.
    """
    path = Path(named)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    found = {file.stem: file for folder in FOLDERS[::-1] for file in sorted(folder.glob("*.yaml"))}
    if named not in found:
        raise ConfigError(
            named, "is neither a file nor a study that is shipped", nearest(named, found)
        )
    return found[named]
