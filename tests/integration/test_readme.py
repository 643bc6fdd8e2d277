"""What the README and the pages in docs tell people to type works, and their links resolve."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.media import Media
from tests.models import Seed
from tests.unit.visage.clips.results import write_results
from tests.unit.visage.export.scenes import RATES, results
from tests.unit.visage.people.scenes import add, gallery, person, track
from tests.unit.visage.redaction.films import plan_of
from visage.config.service_file import load_service_config
from visage.people import SightingRecorder
from visage.people.correction_rule import CorrectionKind
from visage.report.archive import read_archive
from visage.report.archive_dataset import write_dataset
from visage.web.tokens import Role, TokenStore

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SHELL_TIMEOUT_SECONDS = 100
MOVIE_FRAMES = 72

# Pages whose blocks are run, in the order of reading. Blocks of pages that need other machines are not.
NAMES = ("films", "archives", "redaction", "cameras", "people", "search-and-reports", "gpu", "models", "python-api")
EXECUTED = (README, *(DOCS / f"{name}.md" for name in NAMES))

# Not run here, and why.
ELSEWHERE = {
    "make": "makes an environment of its own; .ci/run does the same",
    "pip": "changes this environment",
    "visage rtsp://user:password@camera/stream --dst door/": "needs a camera",
    "visage people apply out/ --gallery people": "needs the results of a run with that gallery; see test_result_names",
    "visage serve --config visage.yaml": "runs until it is stopped; see test_serve",
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line not in ELSEWHERE and line.split()[0] not in ELSEWHERE]


def distinct_commands() -> list[str]:
    """Each command once, however many pages show it."""
    return list(dict.fromkeys(command for page in EXECUTED for command in commands(page)))


def distinct_programs() -> list[str]:
    return list(dict.fromkeys(program for page in EXECUTED for program in blocks(page, "python")))


def configurations() -> list[str]:
    return [text for page in EXECUTED for text in blocks(page, "yaml")]


def slug(heading: str) -> str:
    """The anchor that a heading gets, as GitHub and Python-Markdown make it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def links(page: Path) -> list[str]:
    """Targets of the page's relative links and pictures."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


@pytest.fixture
def workplace(tmp_path: Path, media: Media) -> Path:
    """A folder with the files that the commands name."""
    shutil.copy(media.path("single_face.mp4"), tmp_path / "movie.mkv")
    plan_of(tmp_path / "movie.mkv", MOVIE_FRAMES).write(tmp_path / "movie.plan.json")
    write_results(tmp_path / "results", tmp_path / "movie.mkv")
    (tmp_path / "films.csv").write_text("film,director,year\nmovie.mkv,Reiniger,1926\n")
    write_dataset(read_archive([tmp_path / "results"], tmp_path / "films.csv")[0], tmp_path / "archive" / "dataset")
    (tmp_path / "clips").mkdir()
    for name in ("one.mp4", "two.mp4"):
        shutil.copy(media.path("single_face.mp4"), tmp_path / "clips" / name)
    (tmp_path / "visage.yaml").write_text(blocks(README, "yaml")[0])
    for name, photograph in {"ada1": "obama", "ada2": "obama2", "face": "obama3"}.items():
        shutil.copy(media.path(f"{photograph}.jpg"), tmp_path / f"{name}.jpg")
    TokenStore(tmp_path / "tokens.json").create("hall", Role.VIEWER)
    with gallery(tmp_path / "people") as opened:  # as earlier commands have left it
        add(opened, "Ada", person(1))
        with contextlib.closing(SightingRecorder(opened)) as recorder:
            recorder.record(track(person(2)), uri="movie.mkv")
        opened.correct(["s1"], CorrectionKind.IS_NOT, name="Ada")
    return tmp_path


@pytest.fixture
def model_dir(seed: Seed) -> Path:
    """The models that the commands use; what they add stays in it."""
    return seed("yunet", "sface", "centerface", "dlib").model_dir


def run(command: list[str], folder: Path, model_dir: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VISAGE_MODEL_DIR": str(model_dir)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SHELL_TIMEOUT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("command", distinct_commands())
def test_a_command_works(command: str, workplace: Path, model_dir: Path) -> None:
    if command.startswith("visage export film/"):  # what the command before it has left
        results(workplace / "film", RATES["23.976"], source="/films/movie.mkv")
    result = run(shlex.split(command), workplace, model_dir)
    assert result.returncode == 0, result.stderr
    if "--dst" in command:
        assert (workplace / command.split("--dst ")[1].split(maxsplit=1)[0]).exists()


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.stem)
def test_no_command_writes_where_another_has_written(page: Path) -> None:
    """What exists is refused: anyone who types them one after the other would be stopped."""
    own = [command for command in commands(page) if "--resume" not in command]
    written = re.findall(r"--(?:dst|annotate) (\S+)", "\n".join(own))
    assert len(written) == len(set(written))


@pytest.mark.parametrize("text", configurations())
def test_a_configuration_is_valid(text: str, tmp_path: Path) -> None:
    (tmp_path / "visage.yaml").write_text(text)
    config = load_service_config(tmp_path / "visage.yaml", environment={})
    assert config.model_fields_set


@pytest.mark.parametrize("program", distinct_programs())
def test_a_program_works(program: str, workplace: Path, model_dir: Path) -> None:
    result = run([sys.executable, "-W", "error", "-c", program], workplace, model_dir)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R: apt-get install r-base, and arrow and dplyr")
@pytest.mark.parametrize("program", [program for page in EXECUTED for program in blocks(page, "r")])
def test_a_program_in_r_works(program: str, workplace: Path, model_dir: Path) -> None:
    result = run(["Rscript", "-e", program], workplace, model_dir)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.stem)
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name) if name else page
        if not target.exists():
            broken.append(link)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            if anchor not in map(slug, headings):
                broken.append(link)
    assert not broken


def test_the_readme_is_short() -> None:
    """It is for newcomers; everything else has a page."""
    assert len(README.read_text().splitlines()) <= 200
