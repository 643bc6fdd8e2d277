"""Secrets are read where they are used, and what is wrong with their place is one line without the secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from visage.config.secrets import Credentials, Secret
from visage.config.yaml_file import ConfigError


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR", "from the environment")
    (tmp_path / "door").write_text("from a file \n", encoding="utf-8")
    assert Secret(env="DOOR").read() == "from the environment"
    assert Secret(file=tmp_path / "door").read() == "from a file "
    assert Secret().read() is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "door").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        Secret(file=tmp_path / "door").read()
    assert str(tmp_path / "door") in str(caught.value)


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_or_empty_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("DOOR", raising=False)
    if value is not None:
        monkeypatch.setenv("DOOR", value)
    with pytest.raises(ConfigError, match="the environment has no DOOR"):
        Secret(env="DOOR").read()


def test_a_secret_has_one_place(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="give env or file, not both"):
        Secret(env="DOOR", file=tmp_path / "door")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rtsp://camera/main", "rtsp://me:p%40ss%2Fw%3Ard@camera/main"),
        ("rtsp://other:old@camera:8554/main?x=1", "rtsp://me:p%40ss%2Fw%3Ard@camera:8554/main?x=1"),
        ("http://[fe80::1]:80/a", "http://me:p%40ss%2Fw%3Ard@[fe80::1]:80/a"),
    ],
)
def test_credentials_replace_those_of_an_address(monkeypatch: pytest.MonkeyPatch, address: str, expected: str) -> None:
    monkeypatch.setenv("DOOR", "p@ss/w:rd")
    assert Credentials(user="me", password=Secret(env="DOOR")).put_into(address) == expected
    assert Credentials().put_into(address) == address
