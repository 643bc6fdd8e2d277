"""The service's file: what is over what, and that every problem says where it is."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from visage.config.secrets import Secret
from visage.config.service import CameraConfig, MqttConfig
from visage.config.service_file import load_service_config
from visage.config.timetable import Timetable
from visage.config.yaml_file import ConfigError
from visage.service.places import unusable
from visage.service.review import refuse_unusable, review
from visage.web.tokens import Role, TokenStore

EXAMPLES = Path(__file__).parents[4] / "deploy" / "examples"


def write(folder: Path, text: str) -> Path:
    path = folder / "visage.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cameras:\n  front:\n    adress: rtsp://a\n",
            "visage.yaml:3: cameras.front.adress: there is no such key; did",
        ),
        ("cameras:\n  front:\n    fps_cap: 3\n", "visage.yaml:2: cameras.front.address: is missing"),
        (
            "analysis:\n  scan: true\n  refine: anybody\n",
            "visage.yaml:1: analysis: refine anybody is for visage run",
        ),
        ("web:\n  port: many\n", "visage.yaml:2: web.port: Input should be a valid integer"),
        ("analysis:\n  min_face_pixels: -1\n", "visage.yaml:2: analysis.min_face_pixels: Input should be greater than"),
        (
            "cameras:\n  a:\n    address: rtsp://x\n  a:\n    address: rtsp://y\n",
            "visage.yaml:4: cameras.a is given a second time",
        ),
        ("cameras: [\n", "visage.yaml:2: "),
        ("- a\n", "visage.yaml:1: must hold keys"),
        ("cameras:\n  a/b:\n    address: rtsp://x\n", "visage.yaml:1: cameras: 'a/b' is not a valid name"),
        (
            "cameras:\n  a:\n    address: rtsp://x\n    schedule: [always]\n",
            "visage.yaml:4: cameras.a.schedule: 'always' is not a time",
        ),
        (
            "cameras:\n  a:\n    address: rtsp://x\n    masks: [[[0, 0], [2, 0], [1, 1]]]\n",
            "visage.yaml:4: cameras.a.masks.0.1.0: Input should be less than",
        ),
        (
            "events:\n  mqtt: {host: b}\ncameras:\n  a.b: {address: rtsp://x}\n  a_b: {address: rtsp://y}\n",
            "visage.yaml: the file: 'a.b' and 'a_b' would share an MQTT topic; rename one",
        ),
        ("web:\n  host: a\0b\n", "visage.yaml:2: holds the character #x00"),
        ('state_dir: "a\\0b"\n', "visage.yaml:1: state_dir: holds a null character"),
        ('analysis:\n  gallery: "a\\0b"\n', "visage.yaml:2: analysis.gallery: holds a null character"),
        ('folders:\n  a: {path: "a\\0b"}\n', "visage.yaml:2: folders.a.path: holds a null character"),
        ("drain_seconds: 2020-99-99\n", "visage.yaml:1: '2020-99-99' is not a valid value: month must be in 1..12"),
        ("cameras: &a\n  x: *a\n", "visage.yaml: contains itself"),
        ("cameras: " + "[" * 3000, "visage.yaml: is nested too deeply"),
        ("cameras:\n  a:\n    <<: 3\n    address: rtsp://x\n", "visage.yaml:3: << takes keys with values"),
        ("cameras:\n  a: {address: /etc/passwd}\n", "visage.yaml:2: cameras.a.address: is not a camera's address"),
        (
            "events:\n  webhooks:\n    a: {url: http://x, kinds: [track_strated]}\n",
            "visage.yaml:3: events.webhooks.a.kinds.0: Input should be 'track_started'",
        ),
        (
            "events:\n  webhooks:\n    a: {url: 'http://h:99999/'}\n",
            "visage.yaml:3: events.webhooks.a.url: has no host or an invalid port",
        ),
        (
            "events:\n  webhooks:\n    a: {url: 'http://u:p@:80/'}\n",
            "visage.yaml:3: events.webhooks.a.url: has no host or an invalid port",
        ),
        (
            "cameras:\n  a: {address: 'rtsp://u:p@h:99999/x'}\n",
            "visage.yaml:2: cameras.a.address: has an invalid host or port",
        ),
        (
            "cameras:\n  a: {address: 'rtsp://u:p@[h/x'}\n",
            "visage.yaml:2: cameras.a.address: has an invalid host or port",
        ),
        (
            "web: {requests_per_second: .inf}\n",
            "visage.yaml:1: web.requests_per_second: Input should be a finite number",
        ),
        (
            "files: {retry_most_seconds: .inf}\n",
            "visage.yaml:1: files.retry_most_seconds: Input should be a finite number",
        ),
        ("analysis: {end_seconds: .inf}\n", "visage.yaml:1: analysis.end_seconds: Input should be a finite number"),
        ("state_dir: ''\n", "visage.yaml:1: state_dir: is empty; name a path, or leave the key out"),
        ("events: {jsonl: ''}\n", "visage.yaml:1: events.jsonl: is empty"),
        ("folders:\n  a: {path: '', output: ''}\n", "visage.yaml:2: folders.a.path: is empty"),
        ("web: {token_file: ''}\n", "visage.yaml:1: web.token_file: is empty"),
        ("web: {add_source: {folders: ['']}}\n", "visage.yaml:1: web.add_source.folders.0: is empty"),
        ("analysis: {gallery: ''}\n", "visage.yaml:1: analysis.gallery: is empty"),
        ("events:\n  mqtt: {host: 'mqtt://h:1883'}\n", "visage.yaml:2: events.mqtt.host: is not a host's name"),
        ("events:\n  mqtt: {host: 'h:1883'}\n", "visage.yaml:2: events.mqtt.host: is not a host's name"),
        ("events:\n  mqtt: {host: 'ada:pw@h'}\n", "visage.yaml:2: events.mqtt.host: is not a host's name"),
        (
            "cameras:\n  a:\n    address: rtsp://x\n    masks: [[[0, 0], [0.5, 0.5], [1, 1]]]\n",
            "visage.yaml:4: cameras.a.masks.0: has no area",
        ),
        (
            "folders:\n  a: {path: /films}\n  b: {path: /films/../films/}\n",
            "folders 'a' and 'b' are one path",
        ),
        (
            "events:\n  webhooks:\n    a: {url: 'http://[h/'}\n",
            "visage.yaml:3: events.webhooks.a.url: has no host or an invalid port",
        ),
    ],
)
def test_a_problem_names_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_service_config(write(tmp_path, text), environment={})
    assert expected in str(caught.value)


def test_cameras_share_what_they_have_in_common(tmp_path: Path) -> None:
    text = "cameras:\n  a: &all\n    address: rtsp://a\n    fps_cap: 5\n  b:\n    <<: *all\n    address: rtsp://b\nfolders:\n"
    config = load_service_config(write(tmp_path, text), environment={})
    assert {name: (camera.address, camera.fps_cap) for name, camera in config.cameras.items()} == {
        "a": ("rtsp://a", 5),
        "b": ("rtsp://b", 5),
    }
    assert config.folders == {}


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_service_config(write(tmp_path, "web:\n  port: x\nfolders:\n  a: {}\n"), environment={})
    assert len(caught.value.problems) == 2


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras:\n  Front-Door:\n    address: rtsp://x\n    fps_cap: 1\nweb:\n  port: 1\n")
    environment = {
        "VISAGE_SERVICE__CAMERAS__FRONT_DOOR__FPS_CAP": "2",
        "VISAGE_SERVICE__WEB__PORT": "2",
    }
    config = load_service_config(path, flags=["web.port=3"], environment=environment)
    assert (config.cameras["Front-Door"].fps_cap, config.web.port) == (2, 3)


def test_a_flag_that_is_no_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set drain_seconds: '2020-99-99' is not a valid value"):
        load_service_config(write(tmp_path, ""), flags=["drain_seconds=2020-99-99"], environment={})


def test_a_bad_value_of_the_environment_is_blamed_on_it(tmp_path: Path) -> None:
    environment = {"VISAGE_SERVICE__WEB__PORT": "x"}
    with pytest.raises(ConfigError, match=r"^\$VISAGE_SERVICE__WEB__PORT: web.port: "):
        load_service_config(write(tmp_path, "web:\n  port: 1\n"), environment=environment)


def test_an_empty_variable_of_the_environment_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISAGE_FRAMESKIP", "VISAGE_EMBED", "VISAGE_SERVICE__WEB__PORT"):
        monkeypatch.setenv(name, "")
    config = load_service_config(write(tmp_path, "web:\n  port: 3\nanalysis:\n  frameskip: 2\n"))
    assert (config.web.port, config.analysis.frameskip, config.analysis.embed) == (3, 2, "best")


def test_the_home_folder_is_known_in_defaults_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = load_service_config(write(tmp_path, "web:\n  audit_file: ~/audit\n"), environment={})
    assert config.state_dir == tmp_path / ".visage" / "service"
    assert config.web.token_file == tmp_path / ".visage" / "tokens.json"
    assert config.web.audit_file == tmp_path / "audit"


def test_single_settings_of_the_environment_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_FRAMESKIP", "7")
    config = load_service_config(write(tmp_path, "analysis:\n  frameskip: 2\n  min_face_pixels: 9\n"))
    assert (config.analysis.frameskip, config.analysis.min_face_pixels) == (7, 9)


def test_credentials_are_read_late_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_PASSWORD", "s3:cr@t")
    text = "cameras:\n  a:\n    address: rtsp://host/x\n    credentials: {user: ada, password: {env: DOOR_PASSWORD}}\n"
    camera = load_service_config(write(tmp_path, text)).cameras["a"]
    assert camera.credentials.put_into(camera.address) == "rtsp://ada:s3%3Acr%40t@host/x"
    assert "s3" not in repr(camera)
    monkeypatch.delenv("DOOR_PASSWORD")
    with pytest.raises(ConfigError, match="DOOR_PASSWORD"):
        camera.credentials.put_into(camera.address)


def test_an_empty_secret_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook would be signed with a key that everybody knows."""
    monkeypatch.setenv("HOOK_KEY", "")
    with pytest.raises(ConfigError, match="HOOK_KEY"):
        Secret(env="HOOK_KEY").read()
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        Secret(file=tmp_path / "key").read()


def test_a_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"key can't be read: it is not UTF-8 text"):
        Secret(file=file).read()


def test_a_review_names_what_is_missing_here(tmp_path: Path) -> None:
    text = (
        "cameras:\n  a:\n    address: rtsp://x\n    credentials: {user: u, password: {file: gone}}\n"
        "events:\n  webhooks:\n    hook: {url: http://x, secret: {env: VISAGE_TEST_UNSET}}\n"
        f"folders:\n  here: {{path: {tmp_path}}}\n  there: {{path: {tmp_path / 'nowhere'}}}\n"
    )
    lines = review(load_service_config(write(tmp_path, text), environment={}))
    assert [line.partition(":")[0] for line in lines] == [
        "cameras.a.credentials.password",
        "events.webhooks.hook.secret",
        "folders.there.path",
    ]


def test_a_review_names_what_would_be_refused_at_the_start(tmp_path: Path) -> None:
    """Whether a model or a token is there depends on the machine, so these are no errors of the file."""
    text = (
        f"analysis: {{detector: nope, embedder: {tmp_path / 'absent.onnx'}, model_dir: {tmp_path}}}\n"
        f"web: {{host: 0.0.0.0, token_file: {tmp_path / 'tokens.json'}}}\n"
    )
    path = write(tmp_path, text)
    detector, embedder, host = review(load_service_config(path, environment={}))
    assert detector.startswith("analysis.detector: there is no detector 'nope'; known: yunet")
    assert embedder == f"analysis.embedder: there is no file {tmp_path / 'absent.onnx'}"
    assert host.startswith("web.host: 0.0.0.0 can be reached by others and there are no tokens: run `visage token cr")
    TokenStore(tmp_path / "tokens.json").create("tablet", Role.VIEWER)
    (tmp_path / "absent.onnx").touch()
    assert review(load_service_config(path, flags=["analysis.detector=yunet"], environment={})) == []
    flags = ["analysis.detector=yunet", "analysis.embed=none", "web.enabled=false", "web.token_file=/dev/null"]
    assert review(load_service_config(path, flags=flags, environment={})) == []


@pytest.mark.parametrize("host", ["broker", "broker.lan", "10.0.0.1", "::1", "fe80::1%eth0", "2001:db8::7"])
def test_hosts_of_brokers(host: str) -> None:
    assert MqttConfig(host=host).host == host


def test_a_review_names_paths_of_the_wrong_kind_and_new_galleries(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    text = (
        f"state_dir: {file}\n"
        f"analysis: {{gallery: {tmp_path / 'poeple'}}}\n"
        f"events: {{jsonl: {folder}}}\n"
        f"web: {{token_file: {folder}, audit_file: {folder}}}\n"
        f"folders:\n  a: {{path: {file}}}\n  b: {{path: {folder}, output: {file / 'below'}}}\n"
    )
    config = load_service_config(write(tmp_path, text), environment={})
    keys = {line.partition(":")[0] for line in review(config)}
    fatal = {"state_dir", "events.jsonl", "web.token_file", "web.audit_file", "folders.b.output"}
    assert keys == {*fatal, "analysis.gallery", "folders.a.path"}
    with pytest.raises(ConfigError) as caught:
        refuse_unusable(config)
    assert {line.partition(":")[0] for line in caught.value.problems} == fatal
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "visage.yaml"]


def test_what_may_not_be_written_is_unusable(tmp_path: Path) -> None:
    """Asked as a user who may write nothing, because root may write anywhere but on a disk that is read-only."""
    text = "state_dir: /usr/visage\nevents: {jsonl: /usr/events.jsonl}\nweb: {enabled: false}\n"
    config = load_service_config(write(tmp_path, text), environment={})
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        lines = unusable(config)
    finally:
        os.seteuid(user)
    assert [line.partition(" can't be written")[0] for line in lines] == [
        "state_dir: /usr/visage",
        "events.jsonl: /usr/events.jsonl",
    ]


@pytest.mark.parametrize("address", ["rtsp://ada:pa[ss@cam/1", "udp://:1234", "srt://@[::]:9000?mode=listener"])
def test_odd_addresses_that_can_be_opened_are_taken(address: str) -> None:
    assert CameraConfig(address=address).address == address


@pytest.mark.parametrize("name", ["archive.yaml", "home.yaml"])
def test_the_examples_are_right(name: str) -> None:
    config = load_service_config(EXAMPLES / name, environment={})
    assert config.cameras or config.folders


@pytest.mark.parametrize(
    ("entries", "when", "is_on"),
    [
        ([], "2026-11-24 03:00", True),
        (["mon-fri 07:00-19:30"], "2026-11-24 07:00", True),  # a Tuesday
        (["mon-fri 07:00-19:30"], "2026-11-24 19:30", False),
        (["sat-sun 00:00-24:00"], "2026-11-29 23:59", True),
        (["fri-mon 10:00-11:00"], "2026-11-24 10:30", False),
        (["tue 22:00-06:00"], "2026-11-25 05:59", True),
        (["tue 22:00-06:00"], "2026-11-24 05:59", False),
        (["08:00-09:00", "10:00-11:00"], "2026-11-24 10:30", True),
    ],
)
def test_timetables(entries: list[str], when: str, is_on: bool) -> None:
    assert Timetable.parse(entries).is_on(datetime.fromisoformat(when)) is is_on


@pytest.mark.parametrize("entry", ["", "25:00-26:00", "mon", "foo 10:00-11:00", "10:00-10:00", "10:70-11:00"])
def test_bad_times_are_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        Timetable.parse([entry])
