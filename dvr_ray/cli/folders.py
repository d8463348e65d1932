"""Whether a folder may take the results of a run or an audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dvr_ray.errors import ConfigError
from dvr_ray.files import holds

if TYPE_CHECKING:
    from dvr_ray.config.schema import RunConfig

__all__ = ["check_folder"]


def check_folder(
    folder: Path, config: RunConfig, resume: bool, noun: str = "run", name: str = "config.yaml"
) -> None:
    """Refuse a folder with other content, or with this config unless it is to be resumed.

    Parameters
    ----------
    folder : Path
        May be missing.
    config : RunConfig
        What is to be done in it.
    resume : bool
        Whether what is there is to be gone on with.
    noun, name : str
        What is done, for messages, and the file that holds its config.

    Raises
    ------
    ConfigError
        Naming the folder, what it holds and the mend.
    """
    from dvr_ray.config.load import config_hash, load_run

    if not holds(folder, name, noun):
        return
    if config_hash(load_run(folder / name)) != config_hash(config):
        raise ConfigError(str(folder), f"holds another {noun}", "use another --out")
    if not resume:
        mend = "add --resume or use another --out"
        raise ConfigError(str(folder), f"holds this {noun} already", mend)
