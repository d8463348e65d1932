"""``log.txt``: complete from the first message, bounded, and nobody else's loggers are kept."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from dvr_ray.cli.logs import BYTES, LogFile, logged
from dvr_ray.cli.screen import Screen


@pytest.fixture
def ray_logger() -> Iterator[logging.Logger]:
    """Ray's logger with a handler that writes to the terminal, as Ray makes it."""
    logger = logging.getLogger("ray")
    before = (list(logger.handlers), logger.level, logger.propagate)
    logger.handlers, logger.propagate = [logging.StreamHandler()], False
    yield logger
    logger.handlers, logger.level, logger.propagate = before


def test_messages_before_the_folder_is_known_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ray_logger: logging.Logger
) -> None:
    with logged(Screen()) as log:
        logging.getLogger("ray.tune").error("early")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old thing", FutureWarning, stacklevel=1)
        assert not list(tmp_path.iterdir())
        log.open(tmp_path / "run")
        logging.getLogger("dvr_ray.x").debug("late")
    text = (tmp_path / "run" / "log.txt").read_text()
    assert "ERROR ray.tune: early" in text
    assert "WARNING py.warnings:" in text and "FutureWarning: old thing" in text
    assert "DEBUG dvr_ray.x: late" in text
    shown = capsys.readouterr()
    assert not shown.out and not shown.err


def test_loggers_are_given_back(tmp_path: Path, ray_logger: logging.Logger) -> None:
    before = (ray_logger.handlers, ray_logger.level, ray_logger.propagate)
    with logged(Screen()) as log:
        log.open(tmp_path)
        assert ray_logger.handlers != before[0]
    assert (ray_logger.handlers, ray_logger.level, ray_logger.propagate) == before
    logging.getLogger("dvr_ray").error("after the end")
    assert "after the end" not in (tmp_path / "log.txt").read_text()


def test_verbose_shows_ray_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ray_logger: logging.Logger
) -> None:
    with logged(Screen(verbose=True)) as log:
        log.open(tmp_path)
        logging.getLogger("ray.tune").info("chatter")
    assert "INFO ray.tune: chatter" in capsys.readouterr().err
    assert "INFO ray.tune: chatter" in (tmp_path / "log.txt").read_text()


def test_a_failure_leaves_its_traceback_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), logged(Screen()) as log:
        log.open(tmp_path)
        _ = 1 / 0
    text = (tmp_path / "log.txt").read_text()
    assert "Traceback" in text and "ZeroDivisionError" in text
    assert capsys.readouterr().err == f"details: {tmp_path}/log.txt\n"


def test_an_interrupt_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), logged(Screen()) as log:
        log.open(tmp_path)
        raise KeyboardInterrupt
    assert "interrupted" in (tmp_path / "log.txt").read_text()
    assert not capsys.readouterr().err


def test_log_goes_on_after_a_resumption_and_stays_small(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with logged(Screen()) as log:
            log.open(tmp_path)
            logging.getLogger("dvr_ray").info(word)
    text = (tmp_path / "log.txt").read_text()
    assert "first" in text and "second" in text
    with logged(Screen()) as log:
        log.open(tmp_path)
        for _ in range(5 * BYTES // 10_000):
            logging.getLogger("dvr_ray").info("x" * 10_000)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2 and max(sizes) <= BYTES


def test_colours_stay_out_of_the_file(tmp_path: Path) -> None:
    log = LogFile(False)
    log.attach()
    log.open(tmp_path)
    logging.getLogger("dvr_ray").error("\x1b[36mray::train()\x1b[39m failed")
    log.detach()
    assert "ray::train() failed" in (tmp_path / "log.txt").read_text()
