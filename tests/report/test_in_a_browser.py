"""The report page in a real, headless Chromium: it loads, sorts, filters, shows an event, and complains of nothing."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.report.rows import NIGHT, event_row, frame_row, object_row, write_commit, write_tables
from vadray import cli
from vadray.health.found import HEALTH, Health, HourFigures, NamedStretch, to_json
from vadray.health.nights import CAMERAS_FILE, write_cameras
from vadray.media.thumbnail import heat_map, strip
from vadray.report.html import write_report
from vadray.sweep.camera_counts import Counts, camera_rows

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
HOSTILE = '/data/archive/<img src=x onerror=alert(1)>"&.mp4'
MOST_BYTES = 25_000_000

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="no chromium and chromedriver here: apt-get install chromium chromium-driver",
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    for flag in ("headless=new", "no-sandbox", "no-first-run", *(f"disable-{name}" for name in quiet)):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as driver:
        yield driver


def large_picture(number: int) -> bytes:
    """A JPEG of 320 pixels with as much detail as a thumbnail can have."""
    noise = np.random.default_rng(number).integers(0, 256, (240, 320, 3), np.uint8)
    return cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def write_night(report: Path, events: list[dict], objects: list[dict], frames: list[dict] = ()) -> str:
    """A committed sweep and the one of the night before; the URL of its page."""
    for sweep, rows, day in (("night-1", [], 0), ("night-2", events, 1)):
        write_tables(report, sweep, frames, rows, objects)
        counts = {"objects": len(objects), "frames": len(frames), "events": len(rows), "quarantined": 0}
        write_commit(report, sweep, NIGHT + timedelta(days=day), counts=counts, wall_s=61.0)
    page, _ = write_report(str(report), "night-2")
    return Path(page).as_uri()


def write_cameras_of_both_nights(report: Path) -> None:
    """What the sweeps leave of their cameras: the second night is much brighter, and one camera was moved."""
    for night, sweep in enumerate(("night-1", "night-2")):
        rng = np.random.default_rng(night)
        counts = {("gate", "digest", "calibration", 2): Counts()}
        counts["gate", "digest", "calibration", 2].add(
            rng.random(5000) ** (1 + night), rng.normal(100 + 60 * night, 9, 5000), rng.normal(900, 50, 5000)
        )
        ill = [NamedStretch("moved", 60.0, 600.0, "/data/archive/dock.mp4", "dock", NIGHT.isoformat())]
        health = Health(ill * night, {("gate", "digest", 2): HourFigures(5000, 500.0)})
        folder = report / "_sweeps" / sweep
        (folder / HEALTH).write_bytes(to_json(health))
        (folder / CAMERAS_FILE).write_bytes(write_cameras(camera_rows([counts], health)))


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Three cameras, five events; one of them judged, one with a hostile name."""
    report = tmp_path_factory.mktemp("night") / "a report"
    names = [f"/data/archive/{camera}.mp4" for camera in ("dock", "gate", "yard")]
    uris = [*names, HOSTILE, names[1]]
    cameras = ["dock", "gate", "yard", "", "gate"]
    events = [
        event_row(
            uri,
            10 * place,
            event_id=f"{place}{place}aa",
            camera=camera,
            p_value=10.0 ** -(2 + place),
            peak_score=10.0 - place,
            started_at=NIGHT + timedelta(minutes=(3 * place) % 5) if place else None,
            thumbnail=large_picture(place) if place > 2 else None,
            heat=heat_map(np.eye(12, 16, dtype=np.float32)) if place == 4 else None,
            strip=strip(list(np.zeros((5, 48, 64, 1), np.uint8))) if place == 4 else None,
            rule="in the gate" if place == 4 else None,
        )
        for place, (uri, camera) in enumerate(zip(uris, cameras, strict=True))
    ]
    objects = [object_row(uri, camera=camera) for uri, camera in list(zip(uris, cameras, strict=True))[:4]]
    frames = [frame_row(uri, i, score=np.sin(i / 9) ** 2) for uri in uris[:4] for i in range(200)]
    write_night(report, events, objects, frames)
    write_cameras_of_both_nights(report)
    assert cli.main(["label", str(report), "11aa", "wrong"]) == 0
    page, _ = write_report(str(report), "night-2")
    return report, Path(page).as_uri()


def open_page(browser, url: str, width: int = 1280) -> None:
    browser.set_window_size(width, 900)
    browser.get(url)


def rows(browser) -> list[str]:
    """Ids of the rows that are seen, from the top."""
    return [
        row.get_attribute("data-event")
        for row in browser.find_elements(By.CSS_SELECTOR, "#rows tbody tr")
        if row.is_displayed()
    ]


def cards(browser) -> list[str]:
    found = browser.find_elements(By.CSS_SELECTOR, "#cards li")
    return [card.get_attribute("data-event") for card in found if card.is_displayed()]


def nothing_is_wrong(browser) -> None:
    assert browser.get_log("browser") == []
    violations = Axe().run(browser)["violations"]
    assert not violations, [(one["id"], one["nodes"][0]["html"][:200]) for one in violations]


def test_it_loads_and_is_whole(browser, night):
    open_page(browser, night[1])
    assert rows(browser) == ["44aa", "33aa", "22aa", "11aa", "00aa"], "the most severe first"
    assert cards(browser) == ["44aa", "33aa"]
    pictures = browser.find_elements(By.CSS_SELECTOR, "#cards .framed img:not(.heat)")
    assert all(picture.get_property("naturalWidth") == 320 for picture in pictures)
    assert browser.find_element(By.ID, "shown").text == "5 of 5 events"
    text = browser.find_element(By.TAG_NAME, "main").text
    assert '<img src=x onerror=alert(1)>"&.mp4' in text and "night-2 (this one)" in text and "night-1" in text
    nothing_is_wrong(browser)


def test_heat_maps_and_the_seconds_around_are_shown(browser, night):
    open_page(browser, night[1])
    heat, strip_ = (browser.find_element(By.CSS_SELECTOR, f"#cards .{name}") for name in ("heat", "strip"))
    assert strip_.is_displayed() and strip_.get_property("naturalWidth") == 5 * 64 + 4 * 2
    assert not heat.is_displayed()
    browser.find_element(By.ID, "heat").send_keys(Keys.SPACE)
    assert heat.is_displayed() and heat.get_property("naturalWidth") == 16
    assert heat.size == browser.find_element(By.CSS_SELECTOR, "#cards .framed img").size, (
        "it lies on the picture"
    )
    browser.find_element(By.CSS_SELECTOR, '#cards li[data-event="44aa"] button').click()
    assert browser.find_element(By.CSS_SELECTOR, "#detail .heat").is_displayed()
    assert browser.find_element(By.CSS_SELECTOR, "#detail .strip").is_displayed()
    nothing_is_wrong(browser)


def test_cameras_that_were_not_well_and_drift_are_told(browser, night):
    open_page(browser, night[1])
    text = browser.find_element(By.TAG_NAME, "main").text
    assert text.index("Cameras that need a look") < text.index("Events"), "before all else"
    assert "moved: looks elsewhere than before" in text and "2026-11-22 01:30:00 UTC" in text
    row = browser.find_element(By.CSS_SELECTOR, '[aria-label="Drift of each camera"] tbody tr').text
    assert "160 (before 100)" in row and row.count("shifted") >= 2 and "10.0 (before 10.0)" in row
    link = browser.find_element(By.CSS_SELECTOR, '[aria-label="Figures of each sweep"] a')
    assert link.get_attribute("href").endswith("report-night-1.html")


def test_it_sorts_by_any_column_either_way(browser, night):
    open_page(browser, night[1])
    header = {one.text.strip(): one for one in browser.find_elements(By.CSS_SELECTOR, "#rows thead button")}
    expected = {
        "Object": ["33aa", "00aa", "44aa", "11aa", "22aa"],
        "From": ["00aa", "11aa", "22aa", "33aa", "44aa"],
        "Score": ["44aa", "33aa", "22aa", "11aa", "00aa"],
        "Began": ["22aa", "44aa", "11aa", "33aa", "00aa"],
    }
    for name, order in expected.items():
        header[name].click()
        assert rows(browser) == order, name
    assert cards(browser) == ["44aa", "33aa"], "cards follow"
    header["Began"].click()
    assert rows(browser) == ["33aa", "11aa", "44aa", "22aa", "00aa"], "what is unknown stays last"
    sorted_by = browser.find_elements(By.CSS_SELECTOR, "#rows [aria-sort]")
    assert [(one.text.split()[0], one.get_attribute("aria-sort")) for one in sorted_by] == [
        ("Began", "descending")
    ]
    header["From"].send_keys(Keys.ENTER)
    assert rows(browser)[0] == "00aa", "by keyboard too"


def test_it_filters_and_searches(browser, night):
    open_page(browser, night[1])
    camera, verdict = (Select(browser.find_element(By.ID, name)) for name in ("camera", "verdict"))
    camera.select_by_visible_text("gate")
    assert rows(browser) == ["44aa", "11aa"] and cards(browser) == ["44aa"]
    verdict.select_by_visible_text("not yet")
    assert rows(browser) == ["44aa"] and browser.find_element(By.ID, "shown").text == "1 of 5 events"
    camera.select_by_visible_text("unknown")
    assert rows(browser) == ["33aa"]
    camera.select_by_index(0)
    verdict.select_by_visible_text("wrong")
    assert rows(browser) == ["11aa"] and cards(browser) == []
    verdict.select_by_index(0)
    search = browser.find_element(By.ID, "search")
    search.send_keys("In The Gate")
    assert rows(browser) == ["44aa"]
    search.send_keys(Keys.ENTER)
    assert browser.current_url.partition("?")[0] == night[1], "nothing is sent"
    search.clear()
    search.send_keys("onerror")
    assert rows(browser) == ["33aa"]
    nothing_is_wrong(browser)


def test_an_event_is_shown_with_all_that_is_known_of_it(browser, night):
    report, url = night
    open_page(browser, url)
    browser.find_element(By.CSS_SELECTOR, '#cards li[data-event="44aa"] button').click()
    detail = browser.find_element(By.ID, "detail")
    assert detail.is_displayed() and detail.find_element(By.TAG_NAME, "h3").text == "gate.mp4"
    assert detail.find_element(By.CSS_SELECTOR, ".picture img").get_property("naturalWidth") == 320
    assert detail.find_elements(By.CSS_SELECTOR, "#curve polyline"), "its video's scores"
    assert "1e-06" in detail.text and "1,2 30×40" in detail.text and "in the gate" in detail.text
    assert f"vadray label '{report}' 44aa right" in detail.text
    nothing_is_wrong(browser)
    detail.find_element(By.ID, "next").click()
    assert "onerror" in detail.find_element(By.TAG_NAME, "h3").text
    detail.send_keys(Keys.ARROW_RIGHT)
    assert detail.find_element(By.TAG_NAME, "h3").text == "yard.mp4"
    assert not detail.find_elements(By.CSS_SELECTOR, ".picture img"), "it has none"
    detail.send_keys(Keys.ESCAPE)
    assert not detail.is_displayed()
    opened = browser.find_element(By.CSS_SELECTOR, '#rows tr[data-event="00aa"] button')
    opened.send_keys(Keys.ENTER)
    assert detail.is_displayed() and detail.find_element(By.TAG_NAME, "h3").text == "dock.mp4"
    detail.find_element(By.ID, "close").click()
    assert browser.switch_to.active_element == opened, "the keyboard is where it was"


def test_it_is_readable_on_a_phone(browser, night):
    open_page(browser, night[1], width=500)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        browser.get(night[1])
        wide = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1] == 360
        nothing_is_wrong(browser)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_night_without_events_is_whole_too(browser, tmp_path):
    url = write_night(tmp_path, [], [object_row("/data/archive/a.mp4")])
    open_page(browser, url)
    assert "No event" in browser.find_element(By.TAG_NAME, "main").text
    nothing_is_wrong(browser)


def test_five_thousand_events_are_sorted_and_searched_and_the_page_stays_small(browser, tmp_path):
    events = [
        event_row(
            f"/data/archive/{i % 50}.mp4",
            i,
            event_id=f"{i:016x}",
            camera=f"c{i % 7}",
            p_value=(i + 1) / 10_000,
            peak_score=float(i % 97),
            thumbnail=large_picture(i) if i < 250 else None,
        )
        for i in range(5000)
    ]
    objects = [object_row(f"/data/archive/{i}.mp4") for i in range(50)]
    url = write_night(tmp_path, events, objects)
    assert (tmp_path / "report.html").stat().st_size < MOST_BYTES
    open_page(browser, url)
    shown = browser.find_element(By.ID, "shown")
    deadline = time.monotonic() + 60
    while shown.text != "5000 of 5000 events":
        assert time.monotonic() < deadline, shown.text
    browser.find_element(By.ID, "search").send_keys("41.mp4")
    assert shown.text == "100 of 5000 events"
    score = next(
        one for one in browser.find_elements(By.CSS_SELECTOR, "#rows thead button") if one.text == "Score"
    )
    score.click()
    first = browser.find_element(By.CSS_SELECTOR, "#rows tbody tr:not([hidden])")
    assert first.find_elements(By.TAG_NAME, "td")[5].text == "0"
    assert browser.get_log("browser") == []
