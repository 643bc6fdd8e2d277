"""Log lines reach standard error in the form asked for, at the level asked for, without credentials."""

from __future__ import annotations

import json
import logging

import pytest

from visage.observe.fields import about
from visage.observe.logging import LOG_LEVELS, configure_logging


def test_json_lines_hold_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("visage.test").info("opened", extra={"frames": 3})
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["frames"], line["level"], line["logger"]) == ("opened", 3, "info", "visage.test")


def test_without_a_terminal_auto_means_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger("visage.test").info("opened")
    assert json.loads(capsys.readouterr().err)["message"] == "opened"


def test_text_lines_read_well(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    logging.getLogger("visage.test").info("opened", extra={"frames": 3})
    assert capsys.readouterr().err.endswith("[info     ] opened [visage.test] frames=3\n")


def test_a_file_name_forges_no_line_and_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    name = "a.mp4\n12:00:00 [info     ] all is well\x1b[2J\x9b1m\u202e"
    logging.getLogger("visage.test").info("opened %s", name, extra={"source": name})
    logging.getLogger("visage.test").info(name, extra={"path": name})
    for line in capsys.readouterr().err.splitlines():
        assert "a.mp4\\n12:00:00 [info     ] all is well\\x1b[2J\\x9b1m\\u202e" in line
        assert line.isprintable()


def test_a_traceback_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logging.getLogger("visage.test").exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "ValueError: \\x1b[2J"


def test_ours_speak_from_the_level_asked_for_and_others_from_warning(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    for name in ("visage.test", "stages.test", "another.library"):
        logging.getLogger(name).debug("detail of %s", name)
        logging.getLogger(name).warning("warning of %s", name)
    messages = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert messages == [
        "detail of visage.test",
        "warning of visage.test",
        "detail of stages.test",
        "warning of stages.test",
        "warning of another.library",
    ]


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_every_level_lets_its_own_severity_through(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level, "json")  # type: ignore[arg-type]
    number = LOG_LEVELS[level]  # type: ignore[index]
    logging.getLogger("visage.test").log(number - 1, "below")
    assert capsys.readouterr().err == ""
    logging.getLogger("visage.test").log(number, "at")
    assert "at" in capsys.readouterr().err


def test_off_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("off", "json")
    logging.getLogger("visage.test").critical("fire")
    logging.getLogger("another.library").critical("fire")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_credential_is_written(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", log_format)  # type: ignore[arg-type]
    address = "rtsp://admin:hunter2@cam/1"
    logger = logging.getLogger("visage.test")
    logger.info("opening", extra={"uri": address})
    logging.getLogger("libav").warning("connection to '%s' refused", address)
    try:
        raise OSError(f"no route to\n{address}")
    except OSError:
        logger.exception("lost")
    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert written.count("rtsp://***@cam/1") >= 3


def test_a_later_configuration_replaces_the_earlier(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "text")
    configure_logging("info", "json")
    logging.getLogger("visage.test").info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_json_says_what_a_line_is_about_and_text_only_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def tell() -> str:
        fields = about("camera.reconnecting", "door", error=TimeoutError("it said nothing"))
        logging.getLogger("visage.test").warning("%s: %s; trying again", "door", "it said nothing", extra=fields)
        return capsys.readouterr().err

    configure_logging("info", "json")
    line = json.loads(tell())
    assert {name: line[name] for name in ("message", "source", "event", "error")} == {
        "message": "door: it said nothing; trying again",
        "source": "door",
        "event": "camera.reconnecting",
        "error": "TimeoutError",
    }
    configure_logging("info", "text")
    assert tell().endswith("[warning  ] door: it said nothing; trying again [visage.test]\n")


def test_a_line_about_nothing_in_particular_has_no_such_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("visage.test").info("started")
    assert set(json.loads(capsys.readouterr().err)) == {"message", "level", "logger", "timestamp"}
