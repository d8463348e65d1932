"""The example of a new part in CONTRIBUTING is the file that it names."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_metric_shown_is_the_metric_there_is(repository: Path) -> None:
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    name, shown = re.findall(r"\*\*A metric\*\*: `(\S+)`\n\n```python\n(.*?)```", text, re.S)[0]
    assert shown == (repository / name).read_text(encoding="utf-8")
