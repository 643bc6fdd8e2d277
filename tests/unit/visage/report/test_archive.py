from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from typer.testing import CliRunner

from visage.cli.main import app
from visage.report.archive import Archive, read_archive
from visage.report.archive_dataset import write_dataset
from visage.report.archive_page import write_archive_page
from visage.report.errors import ArchiveRefused

CHROMIUM = shutil.which("chromium")
FIRST_PAINT_MILLISECONDS = 1000
MAX_LOADED_BYTES = 3_000_000

Row = tuple[str, float, float]


def add_film(root: Path, name: str, rows: list[Row], *, seconds: float = 100.0, shots: bool = False) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps({"filepath": f"/films/{name}.mkv", "duration": seconds}))
    with (folder / "tracks.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("track_id", "start", "end", "first_frame", "last_frame", "best_quality", "person"))
        for number, (person, start, end) in enumerate(rows, 1):
            writer.writerow((number, start, end, int(start * 24), int(end * 24), 0.5, person))
    if shots:
        (folder / "shots.csv").write_text(
            "number,start,end,scale\n1,0,30,close-up\n2,30,40,long shot\n3,40,50,close-up\n"
        )
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    ada: list[Row] = [("Ada", 10, 20), ("Ada", 15, 30), ("Bob", 25, 40), ("unknown", 0, 90), ("", 1, 2)]
    add_film(root, "Alpha", ada, shots=True)
    add_film(root, "Beta", [("Ada", 0, 5), ("Café <b>", 50, 60)])
    (tmp_path / "films.csv").write_text("film,director,year\nalpha.mkv,Reiniger,1926\nBeta,Akerman,1975\n")
    return root


def read(results: Path) -> Archive:
    archive, problems = read_archive([results], results.parent / "films.csv")
    assert problems == []
    return archive


def test_time_on_screen_is_the_union_of_tracks(results: Path) -> None:
    alpha, beta = read(results).films
    assert alpha.presence() == {"Ada": [(10, 30)], "Bob": [(25, 40)]}
    assert beta.presence() == {"Ada": [(0, 5)], "Café <b>": [(50, 60)]}


def test_who_is_seen_with_whom(results: Path) -> None:
    assert read(results).together() == {("Ada", "Bob"): (5.0, 1)}


def test_films_are_joined_with_the_table(results: Path) -> None:
    archive = read(results)
    assert [film.about for film in archive.films] == [
        {"director": "Reiniger", "year": "1926", "decade": "1920s"},
        {"director": "Akerman", "year": "1975", "decade": "1970s"},
    ]
    assert archive.scales_by("director") == {"Reiniger": {"close-up": 40.0, "long shot": 10.0}}
    assert archive.scales_by("decade") == {"1920s": {"close-up": 40.0, "long shot": 10.0}}


def test_damaged_results_and_missing_films_are_told(results: Path) -> None:
    (results / "Beta" / "tracks.csv").write_text("person,start\nAda,x\n")
    archive, problems = read_archive([results], results.parent / "films.csv")
    assert [film.name for film in archive.films] == ["Alpha"]
    assert "Beta: left out" in problems[0]
    assert "no results of beta" in problems[1]


def test_two_films_of_one_name_are_told_apart(results: Path) -> None:
    add_film(results / "other", "Alpha", [("Bob", 0, 1)])
    archive = read(results)
    assert [film.name for film in archive.films] == ["Alpha", "Alpha (2)", "Beta"]


def test_the_set_is_tidy_and_partitioned_by_film(results: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second replaces the first
        write_dataset(read(results), tmp_path / "dataset")
    table = pds.dataset(tmp_path / "dataset", partitioning="hive").to_table().to_pylist()
    assert {row["film"] for row in table} == {"Alpha", "Beta"}
    assert len(table) == 5
    bob = next(row for row in table if row["person"] == "Bob")
    assert (bob["seconds"], bob["first_frame"], bob["director"], bob["decade"]) == (15.0, 600, "Reiniger", "1920s")
    assert pq.read_table(tmp_path / "dataset").num_rows == 5
    assert not (tmp_path / "dataset.part").exists()


def test_no_results_and_wrong_tables_are_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="no results of a run"):
        read_archive([tmp_path / "out" / "Alpha" / "nothing"])
    (tmp_path / "wrong.csv").write_text("title\nAlpha\n")
    with pytest.raises(ArchiveRefused, match="no column film"):
        read_archive([results], tmp_path / "wrong.csv")


def test_the_command_writes_page_and_set(results: Path, tmp_path: Path) -> None:
    arguments = ["report", str(tmp_path / "new"), "--results", str(results), "--films", str(tmp_path / "films.csv")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["dataset", "report-data", "report.html"]
    done = CliRunner().invoke(app, ["report", str(tmp_path / "new"), "--films", str(tmp_path / "films.csv")])
    assert done.exit_code == 2


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.set_default_timeout(10_000)
        complaints: list[str] = []
        opened.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        browser.close()
    assert complaints == []


@pytest.mark.slow
def test_the_page_is_searched_and_read_from_a_disk(results: Path, tmp_path: Path, page: Page) -> None:
    page.goto(write_archive_page(read(results), tmp_path).as_uri())
    page.get_by_label("Find").fill("rein")
    expect(page.get_by_role("cell", name="Alpha")).to_be_visible()
    expect(page.get_by_role("cell", name="Beta")).to_have_count(0)
    page.get_by_role("button", name="Alpha").click()
    expect(page.get_by_role("row", name="Ada 0:00:20 0:00:10 0:00:30")).to_be_visible()
    page.get_by_role("button", name="Bob").click()
    expect(page.get_by_role("heading", name="Seen with")).to_be_visible()
    expect(page.get_by_role("row", name="Ada 0:00:05 1")).to_be_visible()
    page.get_by_role("button", name="People", exact=True).click()
    page.get_by_label("Find").fill("cafe")
    expect(page.get_by_role("button", name="Café <b>")).to_be_visible()
    page.get_by_role("button", name="Shot scales").click()
    expect(page.get_by_role("row", name="Reiniger 80% 20%")).to_be_visible()
    page.get_by_role("button", name="Together").click()
    expect(page.locator("svg circle")).to_have_count(2)


@pytest.mark.slow
def test_a_large_archive_is_shown_at_once(tmp_path: Path, page: Page) -> None:
    people = [f"Person {number}" for number in range(200)]
    for film in range(400):
        cast = [people[(film * 7 + one) % 200] for one in range(20)]
        rows = [(cast[at % 20], at * 20.0, at * 20.0 + 15) for at in range(60)]
        add_film(tmp_path / "out", f"Film {film:04}", rows, seconds=1300)
    archive, _ = read_archive([tmp_path / "out"])
    page.goto(write_archive_page(archive, tmp_path).as_uri())
    expect(page.get_by_text("page 1 of 8")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("page 2 of 8")).to_be_visible()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < FIRST_PAINT_MILLISECONDS
    loaded = [path for path in (tmp_path / "report-data").iterdir() if path.stem == "index"] + [
        tmp_path / "report.html"
    ]
    assert sum(path.stat().st_size for path in loaded) < MAX_LOADED_BYTES
    assert max(path.stat().st_size for path in (tmp_path / "report-data").iterdir()) < MAX_LOADED_BYTES / 3
