"""How settings say what is followed and what is embedded."""

from __future__ import annotations

import pydantic
import pytest

from visage.assembly.plan import ModelPlan
from visage.assembly.stages import delivers_all, detection_interval
from visage.config import Settings
from visage.config.result_settings import result_settings


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (True, "all"),
        (False, None),
        ("all", "all"),
        ("auto", "auto"),
        ("best", "best"),
        ("none", None),
        (None, None),
        ("true", "all"),
    ],
)
def test_embed_is_said_in_code_and_in_the_environment(said: object, meant: str | None) -> None:
    assert Settings.model_validate({"embed": said}).embed == meant


def test_embed_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_EMBED", "best")
    assert Settings().embed == "best"


def test_a_turn_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_ROTATE", "270")
    assert Settings().rotate == 270
    monkeypatch.setenv("VISAGE_ROTATE", "45")
    with pytest.raises(pydantic.ValidationError):
        Settings()


def test_a_number_in_the_environment_is_a_number_for_frameskip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_FRAMESKIP", "24")
    assert Settings().frameskip == 24
    monkeypatch.setenv("VISAGE_FRAMESKIP", "auto")
    assert Settings().frameskip == "auto"


@pytest.mark.parametrize(
    ("given", "every", "all_frames"),
    [
        ({}, 1, False),
        ({"frameskip": 8}, 8, True),
        ({"frameskip": 8, "propagate": False}, 8, False),
        ({"frameskip": 8, "track": False}, 8, False),
        ({"frameskip": "auto"}, 24, True),
    ],
)
def test_frames_between_looks_are_delivered_where_faces_are_followed(
    given: dict[str, object], every: int, all_frames: bool
) -> None:
    settings = Settings.model_validate(given)
    assert (detection_interval(settings), delivers_all(settings)) == (every, all_frames)


@pytest.mark.parametrize(
    "given",
    [
        {"frameskip": "auto", "propagate": False},
        {"frameskip": "auto", "track": False},
        {"embed": "best", "track": False},
        {"frameskip": "often"},
        {"embed": "some"},
        {"keep_threshold": 0.7, "score_threshold": 0.6},
    ],
)
def test_what_can_not_be_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Settings.model_validate(given)


def test_settings_survive_being_written_down() -> None:
    settings = Settings.model_validate({"embed": "best", "frameskip": "auto"})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("given", "score", "keep"),
    [
        ({}, 0.6, 0.4),
        ({"score_threshold": 0.3}, 0.3, 0.3),
        ({"score_threshold": 0.8, "keep_threshold": 0.5}, 0.8, 0.5),
        ({"keep_threshold": 0.9}, 0.6, 0.6),
    ],
)
def test_only_a_tracker_gets_faces_below_the_score_threshold(
    given: dict[str, object], score: float, keep: float
) -> None:
    plan = ModelPlan.of(Settings.model_validate(given))
    weak, plain = plan.head_thresholds(keeps_weak=True), plan.head_thresholds(keeps_weak=False)
    assert (plan.score_threshold, plan.keep_threshold) == (score, keep)
    assert (weak["score_threshold"], weak["strong_threshold"]) == (keep, score)
    assert (plain["score_threshold"], plain["strong_threshold"]) == (score, score)


@pytest.mark.parametrize(
    ("given", "embeds"),
    [
        ({}, "all"),
        ({"gallery": "people"}, "auto"),
        ({"gallery": "people", "embed": True}, "all"),
        ({"gallery": "people", "track": False}, "all"),
        ({"gallery": "people", "embed": "best"}, "best"),
        ({"embed": None}, None),
    ],
)
def test_only_where_a_gallery_names_tracks_are_few_faces_embedded_by_default(
    given: dict[str, object], embeds: str | None
) -> None:
    settings = Settings.model_validate(given)
    assert settings.embeds == embeds
    assert result_settings(settings)["embed"] == embeds  # what `--resume` compares
