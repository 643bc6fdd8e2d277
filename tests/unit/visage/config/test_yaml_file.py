"""A file that is wrong in any way is a ConfigError, at once: a daemon that runs reads it again."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.config.yaml_file import MAX_BYTES, ConfigError, YamlFile

DOUBLING = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGING = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


def read(folder: Path, text: str) -> YamlFile:
    path = folder / "visage.yaml"
    path.write_text(text, encoding="utf-8")
    return YamlFile(path)


@pytest.mark.parametrize(
    ("value", "kind"), [("!!bool x", "bool"), ("!!timestamp x", "timestamp"), ('!!int ""', "int"), ('!!float ""', "")]
)
def test_a_tag_on_a_wrong_value_is_a_problem_with_its_line(tmp_path: Path, value: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"visage.yaml:2: .*{kind}"):
        read(tmp_path, f"web:\n  enabled: {value}\n")
    file = read(tmp_path, "web: {}\n")
    with pytest.raises(ConfigError, match=r"--set web.enabled: .* is not a valid value"):
        file.lay_over(("web", "enabled"), value, origin="--set web.enabled")


@given(
    tag=st.sampled_from(
        ["bool", "int", "float", "timestamp", "binary", "null", "str", "set", "omap", "pairs", "map", "x"]
    ),
    value=st.one_of(st.text(max_size=8), st.from_regex(r"[-+]?[0-9_:.xobeT \-]{0,12}", fullmatch=True)),
)
def test_no_tag_and_value_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, tag: str, value: str) -> None:
    quoted = value.replace("'", "''")
    with contextlib.suppress(ConfigError):
        read(tmp_path_factory.getbasetemp(), f"a: !!{tag} '{quoted}'\n")


@pytest.mark.parametrize("text", [DOUBLING, MERGING])
def test_aliases_that_double_are_refused_at_once(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"visage.yaml:\d+: the file holds more than 100000 keys and values"):
        read(tmp_path, text)


def test_a_flag_is_bounded_as_the_file_is(tmp_path: Path) -> None:
    file = read(tmp_path, "web: {}\n")
    with pytest.raises(ConfigError, match="keys and values"):
        file.lay_over(("web",), "{" + DOUBLING.strip().replace("\n", ", ") + "}", origin="--set web")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is larger than 4 MiB"):
        read(tmp_path, "#" * (MAX_BYTES + 1))
