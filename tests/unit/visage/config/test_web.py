"""Limits of the web section: what is refused, and which addresses are this machine's alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from visage.config.web import AddRules, WebSettings, is_loopback


@pytest.mark.parametrize("network", ["192.168.1.7/24", "camera.lan", "10.0.0.0/33", ""])
def test_what_is_not_a_network_is_refused(network: str) -> None:
    """With bits set beyond its length it is an address: nothing that was not meant is let in."""
    with pytest.raises(ValidationError, match="networks"):
        AddRules(networks=(network,))
    with pytest.raises(ValidationError, match="trusted_proxies"):
        WebSettings(trusted_proxies=(network,))


def test_networks_and_single_addresses_are_taken() -> None:
    assert AddRules(networks=("192.168.1.0/24", "fe80::/10", "10.0.0.7")).networks[2] == "10.0.0.7"
    assert WebSettings(trusted_proxies=("::1", "172.16.0.0/12")).trusted_proxies[0] == "::1"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_only_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("prefix", ["/visage", "/a/b.c", ""])
def test_a_path_to_be_served_under_is_taken(prefix: str) -> None:
    assert WebSettings(root_path=prefix).root_path == prefix


@pytest.mark.parametrize("prefix", ["visage", "/visage/", "/", "/../x", "/a b", "//x"])
def test_a_path_that_leads_elsewhere_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="root_path"):
        WebSettings(root_path=prefix)


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", 65536), ("idle_seconds", 0), ("live_fps", 31), ("live_width", 10), ("viewers", 0), ("burst", 0)],
)
def test_limits_have_limits(key: str, value: int) -> None:
    with pytest.raises(ValidationError, match=key):
        WebSettings.model_validate({key: value})


def test_files_in_a_home_that_is_not_there_are_refused_unless_the_page_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visage.config.web.lacks_home", lambda path: True)
    with pytest.raises(ValidationError, match="this user has no home folder"):
        WebSettings()
    assert not WebSettings(enabled=False).enabled
