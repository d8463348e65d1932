"""The pages build without a warning, open without a network, and name every benchmark."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docs_pages import DOCS

pytest.importorskip("sphinx", reason="install the extra: pip install -e '.[docs]'")
pytest.importorskip("myst_parser", reason="install the extra: pip install -e '.[docs]'")
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src"}


class _Loads(HTMLParser):
    """Collects what a page loads by itself, and its links to other pages."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(str(given[LOADED[tag]]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-E"]
    done = subprocess.run(
        [*command, "-b", "html", "-d", str(out / ".trees"), str(DOCS), str(out / "html")],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_pages_load_nothing_from_the_network(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.loads
        for target in parser.loads:
            assert not re.match(r"(https?:)?//", target), (page.name, target)


def test_links_between_pages_lead_somewhere(built: Path) -> None:
    for page in built.rglob("*.html"):
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        for target in parser.links:
            if re.match(r"(https?|mailto):", target):
                continue
            path, _, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            assert other.is_file(), (page.name, target)
            if anchor:
                assert f'id="{anchor}"' in other.read_text(encoding="utf-8"), (page.name, target)


def test_reference_is_filled(built: Path) -> None:
    text = (built / "reference" / "config.html").read_text(encoding="utf-8")
    assert "training.batch_size" in text and "generated:" not in text


def test_every_benchmark_has_its_command(repository: Path) -> None:
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    scripts = [
        path.name
        for path in (repository / "benchmarks").glob("*.py")
        if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    assert len(scripts) >= 4
    for name in scripts:
        assert f"python benchmarks/{name}" in page, name
