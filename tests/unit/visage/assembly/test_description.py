from __future__ import annotations

from pathlib import Path

import pytest

from visage.assembly import describe_run
from visage.config import Settings
from visage.models import embedder_spec
from visage.models.own import to_toml


def test_an_embedder_of_the_users_own_is_described(tmp_path: Path) -> None:
    own = embedder_spec("sface").model_copy(update={"name": "own", "embedding_dim": 77})
    (tmp_path / "catalog.toml").write_text(to_toml(own))

    run = describe_run(Settings(embedder="own", model_dir=tmp_path))

    assert (run.embedder, run.embedding_dimension) == ("own", 77)


def test_a_run_that_only_detects_has_no_embedder() -> None:
    run = describe_run(Settings(embed=None))

    assert (run.embedder, run.embedding_dimension) == (None, None)


@pytest.mark.parametrize(
    ("settings", "is_whole"),
    [
        (Settings(), True),
        (Settings(start_seconds=1), False),
        (Settings(end_seconds=2), False),
    ],
)
def test_a_run_of_a_part_is_not_whole(settings: Settings, is_whole: bool) -> None:
    assert describe_run(settings).is_whole == is_whole
