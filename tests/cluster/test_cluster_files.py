"""Every cluster file passes the check that Ray itself makes before it starts anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML


def _checked(content: dict[str, Any]) -> None:
    util = pytest.importorskip("ray.autoscaler._private.util")
    util.validate_config(util.prepare_config(content))


def _read(repository: Path) -> dict[str, Any]:
    text = (repository / "cluster" / "on-premises.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return content


def test_ray_accepts_the_file(repository: Path) -> None:
    _checked(_read(repository))


def test_ray_refuses_a_wrong_key(repository: Path) -> None:
    with pytest.raises(Exception, match="clustr_name"):
        _checked(_read(repository) | {"clustr_name": "x"})


def test_clusters_ask_for_a_token_and_listen_locally(repository: Path) -> None:
    content = _read(repository)
    starts = content["head_start_ray_commands"] + content["worker_start_ray_commands"]
    starts = [line for line in starts if "ray start" in line]
    assert len(starts) == 2 and all("RAY_AUTH_MODE=token" in line for line in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
