"""Arguments of the command line become sources with unique names; credentials never show."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import pytest

from stages.decode.signature import HEAD_BYTES, begins_like_video
from stages.errors import NotAVideo, SourceError, SourceNotFound, SourceUnreadable
from tests.clips import write_clip
from visage.config.service import CameraConfig
from visage.config.sources import SourceSpec, StandardInputRefused, expand_sources
from visage.service.cameras import camera_spec


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def ids(specs: list[SourceSpec]) -> list[str]:
    return [spec.source_id for spec in specs]


def test_files_keep_the_order_given_and_need_not_exist() -> None:
    assert [spec.uri for spec in expand_sources(["b.mp4", "a.mp4"])] == ["b.mp4", "a.mp4"]


def test_the_same_file_is_taken_once() -> None:
    assert len(expand_sources(["a.mp4", "./a.mp4"])) == 1


def test_a_folder_stands_for_the_videos_below_it_in_sorted_order(tmp_path: Path) -> None:
    make(tmp_path, "z.mp4", "b/late.MKV", "b/poster.jpg", "a.mov", ".hidden.mp4", ".trash/old.mp4", "notes.txt")
    assert ids(expand_sources([str(tmp_path)])) == ["a", "late", "z"]


def test_what_storage_and_systems_put_into_a_folder_is_not_the_user_s(tmp_path: Path) -> None:
    hidden = ["@eaDir/a.mp4/thumb.mp4", "#recycle/old.mp4", "$RECYCLE.BIN/gone.mp4", "__MACOSX/a.mp4", "._a.mp4"]
    make(tmp_path, "a.mp4", "#1 hit.mp4", "@home/b.mp4", *hidden, "System Volume Information/x.mp4")
    assert [Path(spec.uri).name for spec in expand_sources([str(tmp_path)])] == ["#1 hit.mp4", "b.mp4", "a.mp4"]


def test_a_folder_s_tapes_and_raw_streams_are_videos_but_not_its_animations(tmp_path: Path) -> None:
    videos = ["tape.dv", "cam.264", "cam.H265", "cut.h264", "cut.hevc", "dvd.m2v", "old.rm", "shot.obu", "web.ivf"]
    videos += ["a.dav", "b.insv", "c.tod", "d.wtv", "e.m1v", "f.mpe", "g.LRV", "h.trp"]
    make(tmp_path, *videos, "banner.gif", "sticker.apng", "poster.webp", "song.mod")
    assert [Path(spec.uri).name for spec in expand_sources([str(tmp_path)])] == sorted(videos)


def test_what_storage_keeps_for_itself_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "@eaDir/a.mp4", "b/#recycle/old.mp4", "$RECYCLE.BIN/S-1/old.mp4", "~syncthing~c.mp4")
    assert ids(expand_sources([str(tmp_path)])) == ["a"]
    assert ids(expand_sources([str(tmp_path / "@eaDir")])) == ["a"]  # asked for by name


def test_what_is_excluded_is_left_out_of_folders_and_patterns(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "b.MP4", "old/c.mp4", "old/deep/d.mp4", "new/e.mp4", "new/f_proxy.mov")
    exclude = ["B.mp4", "old/", "*_proxy.*"]
    assert ids(expand_sources([str(tmp_path)], exclude=exclude)) == ["a", "e"]
    assert ids(expand_sources([str(tmp_path)], exclude=["old/deep"])) == ["a", "b", "e", "f_proxy", "c"]
    assert ids(expand_sources([str(tmp_path / "*.[mM][pP]4")], exclude=exclude)) == ["a"]


def test_a_folder_says_which_videos_it_left_out(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=2)
    make(tmp_path, "notes.txt", "poster.jpg")
    for name in ("b.vro", "sub/no_ending", "c.mod", "~syncthing~d.vro", "still.heic", "e.part", "excluded.vro"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(clip, tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    lines: list[str] = []
    specs = expand_sources([str(tmp_path)], exclude=["excluded*"], on_left_out=lines.append)
    assert ids(specs) == ["a"]
    assert lines == [
        f"{tmp_path}: left out b.vro, c.mod, sub/no_ending: no video suffix; name them explicitly to analyse them"
    ]


@pytest.mark.parametrize(
    "suffix", [".mp4", ".mkv", ".avi", ".flv", ".wmv", ".mpg", ".ts", ".m2ts", ".ogv", ".mxf", ".nut"]
)
def test_containers_are_known_by_their_beginning(suffix: str, tmp_path: Path) -> None:
    codecs = {".wmv": "wmv2", ".mpg": "mpeg2video", ".ogv": "libtheora", ".mxf": "mpeg2video"}
    if codecs.get(suffix, "libx264") not in av.codecs_available:
        codecs = {".ogv": "libvpx"}
    path = write_clip(tmp_path / f"clip{suffix}", frames=30, codec=codecs.get(suffix, "libx264"), fps=25)
    assert begins_like_video(path.read_bytes()[:HEAD_BYTES])


def test_sound_and_text_do_not_begin_like_video() -> None:
    heads = [
        b"ID3\x04",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"OggS" + bytes(24) + b"\x01vorbis",
        b"\0\0\0\x20ftypM4A ",
        b"",
        b"G" * 10,
    ]
    assert not any(map(begins_like_video, heads))


def test_a_folder_without_videos_is_named_and_the_rest_still_expanded(tmp_path: Path) -> None:
    make(tmp_path, "empty/readme.txt")
    problems: list[SourceError] = []
    specs = expand_sources([str(tmp_path / "empty"), "movie.mp4"], on_error=problems.append)
    assert ids(specs) == ["movie"]
    assert str(problems[0]).startswith(f"{tmp_path / 'empty'}: no videos in this folder")


def test_without_a_callback_the_first_problem_is_raised(tmp_path: Path) -> None:
    with pytest.raises(NotAVideo, match="no videos"):
        expand_sources([str(tmp_path)])


def test_a_pattern_the_shell_left_alone_is_expanded(tmp_path: Path) -> None:
    make(tmp_path, "cam-2.mp4", "cam-1.mp4", "other.mp4", "still.jpg", "deep/er/cam-9.mp4", "cam-empty/none.txt")
    assert ids(expand_sources([str(tmp_path / "cam-*")])) == ["cam-1", "cam-2"]
    assert ids(expand_sources([str(tmp_path / "*.jpg")])) == ["still"]
    assert ids(expand_sources([str(tmp_path / "**" / "cam-*.mp4")])) == ["cam-1", "cam-2", "cam-9"]


def test_a_pattern_without_a_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="no file matches"):
        expand_sources([str(tmp_path / "*.mp4")])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, "take[1].mp4", "take1.mp4")
    assert [spec.uri for spec in expand_sources([str(tmp_path / "take[1].mp4")])] == [str(tmp_path / "take[1].mp4")]


def test_equal_stems_get_numbers_that_nobody_else_has() -> None:
    assert ids(expand_sources(["a/clip.mp4", "b/clip.mp4", "clip-2.mp4", "c/clip.mkv"])) == [
        "clip",
        "clip-2",
        "clip-2-2",
        "clip-3",
    ]


def test_names_that_differ_by_case_alone_do_not_share_a_folder() -> None:
    """Which they would on a disk that does not tell them apart."""
    assert ids(expand_sources(["Clip.mp4", "clip.mp4", "CLIP.mkv", "Straße.mp4", "strasse.mp4"])) == [
        "Clip",
        "clip-2",
        "CLIP-3",
        "Straße",
        "strasse-2",
    ]


def test_names_are_fit_for_files() -> None:
    assert ids(expand_sources(["Été à Nîmes (1).mp4", "%.mp4", "rtsp://u:p@cam.local:554/live/1?x=2"])) == [
        "Été_à_Nîmes_1",
        "source",
        "cam.local-live-1",
    ]


@pytest.mark.parametrize(
    ("uri", "live"),
    [
        ("rtsp://cam/1", True),
        ("RTSPS://cam/1", True),
        ("srt://host:9000", True),
        ("udp://239.0.0.1:1234", True),
        ("https://host/movie.mp4", False),
        ("movie.mp4", False),
    ],
)
def test_streams_are_live_and_files_wait(uri: str, live: bool) -> None:
    assert expand_sources([uri])[0].is_live is live


def test_a_file_address_is_a_path() -> None:
    assert expand_sources(["file:///films/my%20film.mp4"])[0].uri == "/films/my film.mp4"


def test_standard_input_is_refused_with_a_reason() -> None:
    with pytest.raises(StandardInputRefused, match="save it to a file"):
        expand_sources(["movie.mp4", "-"], on_error=lambda _: None)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("http://ada:s3cret@[bad/x", r"http://\*\*\*"), ("rtsp://ada:s3cret\u2100@cam/1", r"rtsp://\*\*\*@cam/1")],
    ids=["half an IPv6 address", "a sign that unfolds to a slash"],
)
def test_an_address_that_makes_no_sense_is_reported_without_its_credentials(address: str, shown: str) -> None:
    with pytest.raises(SourceUnreadable, match=f"^{shown} is not a valid address") as refusal:
        expand_sources([address])
    assert "s3cret" not in str(refusal.value)


def test_a_source_shows_no_credentials_but_survives_serialisation() -> None:
    spec = expand_sources(["rtsp://admin:hunter2@cam/1"])[0]
    assert "hunter2" not in repr(spec) + str(spec) + spec.display_uri + spec.source_id
    assert SourceSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (
            "rtsp://cam:554/user=ada&password=s3cret&channel=1&stream=0.sdp",
            "cam-user_ada_password_channel_1_stream_0.sdp",
        ),
        ("rtsp://ada:s3/cret@cam/1", "cam-1"),
        ("http://cam/token=s3cret", "token"),
    ],
)
def test_a_password_wherever_it_stands_is_no_part_of_a_name(uri: str, name: str) -> None:
    assert ids(expand_sources([uri])) == [name]


def test_an_empty_name_is_not_the_working_directory() -> None:
    with pytest.raises(SourceNotFound, match="empty name"):
        expand_sources([""])


def test_a_scheme_in_upper_case_is_understood() -> None:
    """FFmpeg knows its protocols in lower case only; the rest of an address keeps its case."""
    (spec,) = expand_sources(["RTSP://Ada:Secret@Cam/Main"])
    assert (spec.uri, spec.is_live) == ("rtsp://Ada:Secret@Cam/Main", True)
    camera = CameraConfig.model_validate({"address": "RTSP://Cam/Main"})
    assert camera_spec("door", camera).input_options["rtsp_transport"] == "tcp"
    assert camera.address == "rtsp://Cam/Main"
