"""The key of the settings stays what it was while nobody uses what came later."""

from __future__ import annotations

from visage.config import Settings
from visage.service.settings_key import settings_key


def test_settings_that_came_later_count_only_where_they_are_used() -> None:
    assert settings_key(Settings(gallery=None, embed="all")) == "ad6fe452fcb43ff0"
    assert settings_key(Settings(scan=True)) != settings_key(Settings())
