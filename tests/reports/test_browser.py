"""The page in a real browser: it draws, answers to clicks, asks for nothing and prints whole.

The tests share one page and go from top to bottom; each leaves it as it found it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reports.browser import Browser
from reports.test_escaping import HOSTILE, write_hostile_sweep

from dvr_ray.reports.figures import visible
from dvr_ray.reports.page import write_comparison, write_report

PHONE, PAPER = 390, 703
OUTSIDE = (
    "[...document.querySelectorAll('svg.main-svg, td, th, .card, h2, pre')]"
    ".filter(e => e.getBoundingClientRect().right > %d + 1)"
    ".filter(e => !(%s && e.closest('.wide'))).map(e => e.outerHTML.slice(0, 80))"
)


@pytest.fixture(scope="module")
def folder(make_sweep: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_sweep(make_sweep, tmp_path_factory.mktemp("browser") / "sweep")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    with Browser() as found:
        found.open(write_report(folder))
        yield found


def shown(browser: Browser, kind: str) -> list[str]:
    """First cells of the rows that are shown in the table of users or items."""
    found: list[str] = browser.evaluate(
        f"[...{table(kind)}.querySelectorAll('tbody tr:not(.gap)')]"
        ".filter(row => row.offsetParent !== null).map(row => row.cells[0].textContent)"
    )
    return found


def table(kind: str) -> str:
    return (
        "[...document.querySelectorAll('section')].find(s => "
        f"s.querySelector('h2').textContent === 'Values by {kind}')"
    )


def test_the_page_draws_and_asks_for_nothing(browser: Browser) -> None:
    figures = browser.evaluate("document.querySelectorAll('[data-figure]').length")
    assert figures > 15
    assert browser.evaluate("document.querySelectorAll('[data-figure] .main-svg').length") > figures
    assert browser.complaints == []
    addresses = browser.requested
    assert addresses[0].startswith("file:///") and addresses[0].endswith("/report.html")
    assert all(address.startswith("data:") for address in addresses[1:])


def test_nothing_from_the_data_ran(browser: Browser) -> None:
    assert browser.evaluate("typeof window.broken") == "undefined"
    assert browser.evaluate("document.querySelectorAll('main img, main b, main i').length") == 0
    assert browser.evaluate("document.scripts.length") == browser.evaluate(
        "2 + document.querySelectorAll('[data-figure]').length"
    )


def test_the_config_opens_on_a_click(browser: Browser) -> None:
    visible_now = "document.querySelector('details pre').checkVisibility()"
    assert not browser.evaluate(visible_now)
    browser.click("document.querySelector('summary')")
    browser.wait_for(visible_now)
    browser.click("document.querySelector('summary')")
    browser.wait_for(f"!{visible_now}")


def test_a_click_on_a_legend_hides_its_marks(browser: Browser) -> None:
    history = (
        "[...document.querySelectorAll('section')].find(s => "
        "s.querySelector('h2').textContent === 'History of the search')"
    )
    entry = f"{history}.querySelectorAll('.legendtoggle')[0]"
    hidden = f"{history}.querySelector('[data-figure]').data[0].visible === 'legendonly'"
    assert not browser.evaluate(hidden)
    browser.click(entry)
    browser.wait_for(hidden)
    browser.click(entry)
    browser.wait_for(f"!({hidden})")


@pytest.mark.parametrize("kind", ["user", "item"])
def test_the_box_finds_by_id(browser: Browser, kind: str) -> None:
    before = shown(browser, kind)
    assert len(before) == 16
    browser.click(f"{table(kind)}.querySelector('input')")
    browser.write(f"{HOSTILE[1]} 13".upper())
    browser.wait_for(f"{table(kind)}.querySelector('[role=status]').textContent !== ''")
    assert shown(browser, kind) == [visible(f"{HOSTILE[1]} 13")]
    assert browser.evaluate(f"{table(kind)}.querySelector('[role=status]').textContent") == (
        "1 of 42 listed match"
    )
    browser.click(f"{table(kind)}.querySelector('input')", times=3)
    browser.write("nobody of this name")
    browser.wait_for(f"{table(kind)}.querySelector('[role=status]').textContent.startsWith('0 ')")
    assert shown(browser, kind) == []
    browser.evaluate(
        f"(box => {{ box.value = ''; box.dispatchEvent(new Event('input')); }})"
        f"({table(kind)}.querySelector('input'))"
    )
    assert shown(browser, kind) == before


def test_the_dark_recolours_figures(browser: Browser) -> None:
    ink = "getComputedStyle(document.querySelector('[data-figure] .xtick text')).fill"
    light = browser.evaluate(ink)
    browser.media(scheme="dark")
    browser.wait_for(f"{ink} !== {light!r}")
    assert browser.evaluate(ink) == "rgb(228, 232, 238)"
    browser.media(scheme="light")
    browser.wait_for(f"{ink} === {light!r}")


def test_paper_is_light_and_nothing_is_cut_off(browser: Browser) -> None:
    """In the dark, too. What is laid out for paper is looked at between print events."""
    browser.media(scheme="dark")
    assert browser.pdf().startswith(b"%PDF")
    browser.media(kind="print", scheme="dark")
    browser.resize(PAPER, 900)
    browser.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    browser.wait_for("document.querySelector('[data-figure]').layout.width > 0")
    assert browser.evaluate(OUTSIDE % (PAPER, "false")) == []
    ink = "getComputedStyle(document.querySelector('[data-figure] .xtick text')).fill"
    assert browser.evaluate(ink) == "rgb(29, 36, 48)"
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    browser.evaluate("window.dispatchEvent(new Event('afterprint'))")
    browser.media()
    browser.resize(1200, 900)
    browser.wait_for("document.querySelector('[data-figure] svg').clientWidth > 900")


def test_a_phone_scrolls_down_only(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html", PHONE, 844)
    assert browser.evaluate("document.documentElement.scrollWidth") == PHONE
    assert browser.evaluate(OUTSIDE % (PHONE, "true")) == []
    assert browser.complaints == []


def test_a_comparison_draws_on_a_phone(
    browser: Browser, folder: Path, make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_sweep(tmp_path / HOSTILE[1].replace("/", ""), rows=200)
    browser.open(write_comparison([folder, other]), PHONE, 844)
    assert browser.complaints == []
    assert browser.evaluate("document.documentElement.scrollWidth") == PHONE
    assert browser.evaluate("typeof window.broken") == "undefined"
