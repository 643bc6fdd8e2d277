"""Small parts by themselves: the token command, rate limits, the sizes of pictures."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from visage.cli.token import app
from visage.storage.file_lock import file_lock
from visage.web.errors import TokenStoreError, TooMany
from visage.web.limits import RateLimiter
from visage.web.pictures import picture_size
from visage.web.sessions import SESSION_SECONDS, Sessions
from visage.web.tokens import Role, TokenStore


def test_the_token_command_makes_lists_and_revokes(tmp_path: Path) -> None:
    file = str(tmp_path / "tokens.json")
    runner = CliRunner()
    made = runner.invoke(app, ["create", "tablet", "--role", "operator", "--tokens", file])
    token = TokenStore(Path(file)).find(made.output.strip())
    assert token is not None
    assert (token.name, token.role) == ("tablet", Role.OPERATOR)
    assert runner.invoke(app, ["list", "--tokens", file]).output.startswith("tablet  operator  since 20")
    again = runner.invoke(app, ["create", "tablet", "--tokens", file])
    assert "there is a token named 'tablet'" in str(again.exception)
    assert runner.invoke(app, ["create", "x", "--role", "king", "--tokens", file]).exit_code == 2
    assert runner.invoke(app, ["revoke", "tablet", "--tokens", file]).exit_code == 0
    assert runner.invoke(app, ["revoke", "tablet", "--tokens", file]).exit_code == 2
    assert TokenStore(Path(file)).find(made.output.strip()) is None


def test_tokens_made_at_once_are_all_there(tmp_path: Path) -> None:
    """Each of the makers has a store of its own, as processes have, and they begin together."""
    file = tmp_path / "new" / "tokens.json"
    together = threading.Barrier(4)

    def make(maker: int) -> list[str]:
        store = TokenStore(file)
        together.wait(10)
        return [store.create(f"{maker}-{number}", Role.VIEWER) for number in range(5)]

    with ThreadPoolExecutor(4) as pool:
        made = [token for tokens in pool.map(make, range(4)) for token in tokens]
    store = TokenStore(file)
    assert [store.find(token) is not None for token in made] == [True] * 20


def test_a_token_file_that_is_locked_for_long_is_said_in_one_line(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json", lock_timeout_seconds=0)
    with (
        file_lock(tmp_path / "tokens.json.lock", timeout_seconds=0),
        pytest.raises(TokenStoreError, match=r"tokens\.json\.lock for 0 s"),
    ):
        store.create("tablet", Role.VIEWER)


def test_a_token_file_that_is_not_there_is_not_an_empty_one(tmp_path: Path) -> None:
    """Whoever mistypes its name would think that nobody has a token."""
    listed = CliRunner().invoke(app, ["list", "--tokens", str(tmp_path / "tokns.json")])
    assert isinstance(listed.exception, TokenStoreError)
    expected = f"{tmp_path}/tokns.json: there are no tokens; `visage token create NAME` creates one"
    assert str(listed.exception) == expected


def test_a_damaged_token_file_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text("{}")
    with pytest.raises(TokenStoreError, match="not a token file"):
        TokenStore(file).tokens()


def test_a_bucket_fills_again_and_the_oldest_client_is_forgotten() -> None:
    now = [0.0]
    limiter = RateLimiter(rate=2.0, burst=2, clock=lambda: now[0])
    limiter.spend("a")
    limiter.spend("a")
    with pytest.raises(TooMany) as refused:
        limiter.spend("a")
    assert refused.value.retry_after_seconds == pytest.approx(0.5)
    limiter.spend("b")
    now[0] = 0.5
    limiter.spend("a")
    for number in range(5000):
        limiter.spend(str(number))
    assert len(limiter._buckets) <= 4096


def test_a_session_ends_by_itself() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    value = sessions.begin("1f2e3d4c")
    assert sessions.token_id(value) == "1f2e3d4c"
    now[0] = SESSION_SECONDS + 1.0
    assert sessions.token_id(value) is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_the_size_of_a_picture_is_read_from_its_head(suffix: str) -> None:
    _, data = cv2.imencode(suffix, np.zeros((30, 70, 3), np.uint8))
    assert picture_size(data.tobytes()) == (70, 30)
    for length in range(0, 26):
        assert picture_size(data.tobytes()[:length]) in (None, (70, 30))


def test_a_lossless_webp_has_a_size_too() -> None:
    _, data = cv2.imencode(".webp", np.zeros((30, 70, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert picture_size(data.tobytes()) == (70, 30)


def test_tokens_and_settings_are_read_without_the_extra() -> None:
    program = "import sys, visage.web.tokens, visage.config.service; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
