"""The page in a real browser, opened as a file: what it changes, and what it saves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.clips import write_clip
from tests.unit.visage.redaction.films import plan_of, squares
from visage.redaction.page import page_path, write_page
from visage.redaction.plan import Plan

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]

FRAMES = 48


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of a plan with two stretches; at its end the browser must have had nothing to complain of."""
    film = write_clip(tmp_path / "film & </script>.mp4".replace("/", "_"), images=squares(FRAMES))
    plan = plan_of(film, FRAMES, uncertain=((5, 9), (20, 22)))
    plan.tracks[0].person = "</script><b>Ada"
    plan.write(tmp_path / "plan.json")
    write_page(plan, tmp_path / "plan.json")
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    complaints: list[str] = []
    opened.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(page_path(tmp_path / "plan.json").as_uri())
    yield opened
    context.close()
    assert complaints == []


def saved(page: Page, folder: Path) -> Plan:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the plan").click()
    assert download.value.suggested_filename == "plan.json"
    download.value.save_as(folder / "saved.json")
    return Plan.read(folder / "saved.json")


def name(page: Page) -> None:
    page.get_by_label("Your name").fill("Ada")


def test_a_plan_that_nobody_changed_is_saved_as_it_was(page: Page, tmp_path: Path) -> None:
    assert saved(page, tmp_path) == Plan.read(tmp_path / "plan.json")


def test_nothing_is_changed_without_a_name(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Confirm").first.click()
    expect(page.locator("#message")).to_contain_text("Write your name first")
    assert saved(page, tmp_path) == Plan.read(tmp_path / "plan.json")


def test_a_stretch_is_confirmed_and_withdrawn(page: Page, tmp_path: Path) -> None:
    name(page)
    page.get_by_role("button", name="Confirm").first.click()
    expect(page.get_by_text("Uncertain stretches: 1 of 2 to look at")).to_be_visible()
    plan = saved(page, tmp_path)
    assert [one.confirmed_by for one in plan.uncertain] == ["Ada", None]
    assert not plan.is_covered_whole(7)
    assert [(change.who, change.what) for change in plan.changes] == [("Ada", "confirmed stretch 1")]
    page.get_by_role("button", name="Withdraw").click()
    assert saved(page, tmp_path).is_covered_whole(7)


def test_a_face_is_kept_and_a_track_is_split(page: Page, tmp_path: Path) -> None:
    name(page)
    page.get_by_label("Frame", exact=True).fill("30")
    page.get_by_role("button", name="Split here").click()
    page.get_by_role("button", name="Keep visible").last.click()
    plan = saved(page, tmp_path)
    assert [(one.first, one.last, one.keep) for one in plan.tracks] == [(0, 29, False), (30, 47, True)]
    assert plan.tracks[1].box_at(30) == (90, 70, 138, 118)
    assert len(plan.schedule().boxes_at(35)) == 0


def test_a_box_is_drawn_and_carried_to_another_frame(page: Page, tmp_path: Path) -> None:
    name(page)
    canvas = page.locator("#boxes")
    place = canvas.bounding_box()
    assert place is not None

    def drag(left: float, top: float, right: float, bottom: float) -> None:
        across, down = place["width"] / 320, place["height"] / 180
        page.mouse.move(place["x"] + left * across, place["y"] + top * down)
        page.mouse.down()
        page.mouse.move(place["x"] + right * across, place["y"] + bottom * down, steps=3)
        page.mouse.up()

    drag(10, 60, 50, 100)
    page.get_by_label("Frame", exact=True).fill("10")
    drag(30, 60, 70, 100)
    (drawn,) = (one for one in saved(page, tmp_path).tracks if one.origin == "reviewer")
    assert (drawn.first, drawn.last) == (0, 10)
    assert drawn.box_at(5) == pytest.approx((20, 60, 60, 100), abs=1.5)


def test_the_film_is_shown_at_the_frame(page: Page) -> None:
    page.get_by_label("Frame", exact=True).fill("30")
    expect(page.locator("#where")).to_contain_text("frame 30, 00:00:01.25")
    page.wait_for_function(
        "document.getElementById('film').readyState >= 2 && !document.getElementById('film').seeking"
    )
    seconds = page.evaluate("document.getElementById('film').currentTime")
    assert 30 / 24 < seconds < 31 / 24


def test_everybody_can_use_it(page: Page) -> None:
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()
