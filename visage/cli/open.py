"""`visage open`: the page of a daemon that this user runs, signed in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from visage.cli.daemon_config import ConfigOption, read_config
from visage.home import expand_home

__all__ = ["open_page"]

DEFAULT_STATE_DIR = Path("~/.visage/service")
ANSWER_SECONDS = 10.0
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def open_page(
    state_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="The daemon's `state_dir`.", envvar="VISAGE_STATE_DIR")
    ] = DEFAULT_STATE_DIR,
    config: ConfigOption = None,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open a browser, or print the link only.", show_default="if any"),
    ] = None,
) -> None:
    """Print a link that signs in to the daemon's page once, and open it in a browser.

    The link works for an hour, and for the first who follows it. Only the user who runs the daemon can make one: it
    takes the token in `local.json` of the daemon's state directory. A program can send that token itself, as
    `Authorization: Bearer TOKEN`.
    """
    from visage.web.local import LOCAL_FILE, LocalToken  # noqa: PLC0415

    folder = expand_home(state_dir) if config is None else read_config(config).state_dir
    local = LocalToken.read(folder / LOCAL_FILE)
    link = _make_link(local.url, local.token)
    print(link)
    if browser if browser is not None else _has_screen():
        import webbrowser  # noqa: PLC0415

        webbrowser.open(link)


def _make_link(url: str, token: str) -> str:
    import httpx  # noqa: PLC0415

    from visage.web.errors import Unavailable  # noqa: PLC0415
    from visage.web.sessions import sign_in_link  # noqa: PLC0415

    try:
        address = httpx.URL(url)
        address = address.copy_with(host=EVERY_ADDRESS.get(address.host, address.host))
        # The environment's proxies are not asked: the token is for this machine.
        with httpx.Client(trust_env=False, timeout=ANSWER_SECONDS) as client:
            answer = client.post(
                address.join("api/v1/session/invitation"), headers={"authorization": f"Bearer {token}"}
            )
            answer.raise_for_status()
            return sign_in_link(str(address), str(answer.json()["code"]))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as exc:
        raise Unavailable(f"the daemon at {url} does not answer as expected ({exc}); is it running?") from exc


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
