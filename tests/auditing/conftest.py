"""One audit that the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from audits import SET, write_log
from refusals import called


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "mylog")


@pytest.fixture(scope="session")
def audited(log: Path) -> Path:
    """The folder of a whole audit."""
    out = log.parent / "audit"
    code, said = called("audit", log, "--out", out, *SET)
    assert code == 0, said
    return out
