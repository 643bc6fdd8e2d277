"""Downloads as a log file and a terminal show them."""

from __future__ import annotations

import io

from visage.observe.downloads import DownloadProgress


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_two_seconds_for_each_file() -> None:
    stream = io.StringIO()
    times = iter((0.0, 0.0, 0.5, 0.5, 1.9, 2.0, 2.0))
    progress = DownloadProgress(stream=stream, clock=lambda: next(times))
    for name, done in (("a", 0), ("b", 0), ("a", 4_000_000), ("a", 5_000_000)):
        progress(name, done, 10_000_000)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "fetching a: 0.0 of 10.0 MB",
        "fetching b: 0.0 of 10.0 MB",
        "fetching a: 5.0 of 10.0 MB",
    ]


def test_a_file_of_unknown_size_shows_what_has_come() -> None:
    stream = io.StringIO()
    DownloadProgress(stream=stream, clock=lambda: 0.0)("a", 1_500_000, None)
    assert stream.getvalue() == "fetching a: 1.5 MB\n"


def test_a_terminal_shows_bars_and_names_as_they_are() -> None:
    """What looks like Rich's markup is a part of the name."""
    stream = Terminal()
    progress = DownloadProgress(stream=stream)
    progress("[red]model", 500_000, 1_000_000)
    progress("other", 1, None)
    progress.close()
    assert "fetching [red]model" in stream.getvalue()
    assert "fetching other" in stream.getvalue()
    progress.close()  # nothing is left to remove
