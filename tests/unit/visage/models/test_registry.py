from __future__ import annotations

import pytest

from stages.detect.heads.families import families
from visage.models import DetectorSpec, EmbedderSpec, UnknownModel, detector_spec, embedder_spec, load_catalog
from visage.models.origins import PackageOrigin, UrlOrigin, parse_origin


def test_the_defaults_are_a_detector_and_an_embedder_with_free_licences() -> None:
    detector, embedder = detector_spec("yunet"), embedder_spec("sface")

    assert (detector.licence, detector.head, detector.input.longest) == ("MIT", "yunet", 640)
    assert (embedder.licence, embedder.embedding_dim, embedder.similarity_threshold) == ("Apache-2.0", 128, 0.374)
    assert "document" in embedder.licence_note


def test_every_file_of_the_defaults_has_an_origin_on_the_package_index_and_one_on_the_web() -> None:
    for spec in (detector_spec("yunet"), embedder_spec("sface")):
        for file in spec.files:
            assert {type(parse_origin(origin)) for origin in file.origins} == {PackageOrigin, UrlOrigin}
            assert all(origin.startswith(("pypi:", "https://")) for origin in file.origins)


def test_every_entry_can_be_decoded_and_has_an_origin() -> None:
    for spec in load_catalog().values():
        assert all(file.origins for file in spec.files)
        if isinstance(spec, DetectorSpec):
            assert spec.head in families()


def test_what_is_not_free_for_every_use_says_why() -> None:
    assert {spec.name for spec in load_catalog().values() if not spec.is_permissive} >= {"yolov11m-face", "scrfd-10g"}
    assert all(spec.is_permissive or spec.licence_note for spec in load_catalog().values())


def test_entries_are_typed_by_their_task() -> None:
    tasks = {"detect": DetectorSpec, "embed": EmbedderSpec}

    assert all(type(spec) is tasks[spec.task] for spec in load_catalog().values())


@pytest.mark.parametrize("look_up", [detector_spec, embedder_spec])
def test_a_name_of_another_task_is_unknown(look_up: object) -> None:
    assert callable(look_up)
    wrong = "sface" if look_up is detector_spec else "yunet"

    with pytest.raises(UnknownModel, match=f"'{wrong}'; known: "):
        look_up(wrong)


def test_origins_are_parsed() -> None:
    assert parse_origin("pypi:a==1.0#b/c.onnx") == PackageOrigin("a==1.0", "b/c.onnx")
    assert parse_origin("https://host/c.onnx") == UrlOrigin("https://host/c.onnx")
