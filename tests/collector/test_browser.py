"""The pages in a real browser."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from agent.wire.report import Fact, Sample
from collector.settings import Settings, Web

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
# A browser of the distribution, kept from asking its maker for anything.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium_path():
    path = shutil.which("chromium")
    if path is None and os.environ.get("THONGMANG_ALLOW_MISSING") == "1":
        pytest.skip("Debian's chromium is not installed and THONGMANG_ALLOW_MISSING=1")
    assert path is not None, "Debian's chromium is not installed: apt-get install chromium"
    return path


@pytest.fixture
def page(chromium_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1366, "height": 768})
        complaints = []
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        requested = []
        opened.on("request", lambda request: requested.append(request.url))
        opened.complaints, opened.requested = complaints, requested
        yield opened
        browser.close()


@pytest.fixture
def device_id(running, report):
    me = running.enrol()
    now = time.time()
    facts = [
        Fact("system", [{"manufacturer": "Dell Inc.", "product": "OptiPlex 7010", "serial": "5XKQ2M1"}]),
        Fact("bios", [{"vendor": "Dell Inc.", "version": "A29", "release_date": "06/28/2018"}]),
        Fact(
            "processor",
            [
                {
                    "vendor_id": "GenuineIntel",
                    "family": 6,
                    "model": 58,
                    "stepping": 9,
                    "version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz",
                }
            ],
        ),
        Fact("dell_revisions", [{"manufacture_date": "20130307", "first_power_on_date": "20130401"}]),
    ]
    values = {
        "probes_sent": 10,
        "probes_received": 10,
        "rtt_min_seconds": 0.004,
        "rtt_p50_seconds": 0.006,
        "rtt_p95_seconds": 0.02,
    }
    reports = [
        report(
            me["device_id"],
            number,
            wall=now - 3600 + number * 60,
            monotonic=1000.0 + number * 60,
            facts=facts,
            samples=[Sample(f"link_{name}", value, {"target": "collector"}) for name, value in values.items()],
        )
        for number in range(1, 60)
    ]
    assert running.upload(me["token"], reports).status == 200
    running.wait_written()
    running.collector.jobs.tick(time.time())
    return me["device_id"]


class TestOpenPages:
    @pytest.fixture
    def settings(self):
        return Settings(web=Web(require_login=False))

    def test_from_the_overview_to_the_evidence_and_the_list(self, running, device_id, page, tmp_path):
        page.goto(running.url + "/")
        assert page.locator("html").get_attribute("lang") == "vi"
        page.get_by_role("link", name="Phường Thành Vinh").first.click()
        page.get_by_role("link", name="Dell Inc. OptiPlex 7010").click()
        assert page.locator("svg.chart .median").count() == 1
        assert "07/03/2013" in page.locator("main").inner_text()
        page.get_by_role("link", name="1 giờ").click()
        box = page.locator("svg.chart .band").bounding_box()
        assert box["width"] > 300
        page.get_by_role("navigation").get_by_role("link", name="Danh mục đầu tư").click()
        assert page.get_by_role("link", name="Dell Inc. OptiPlex 7010").count() == 1
        with page.expect_download() as waiting:
            page.get_by_role("link", name="XLSX").click()
        assert waiting.value.suggested_filename.endswith(".xlsx")
        page.get_by_role("link", name="English").click()
        assert page.locator("h1").inner_text().startswith("Equipment investment list")
        assert page.complaints == []
        assert {url.split("/")[2] for url in page.requested} == {running.url.split("/")[2]}

    @pytest.mark.parametrize("width", [1366, 390])
    def test_nothing_runs_out_of_the_screen(self, running, device_id, page, width):
        page.set_viewport_size({"width": width, "height": 768})
        for path in ("/", "/units/16681", f"/devices/{device_id}", "/alerts", "/investment-list", "/rejected"):
            page.goto(running.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path

    def test_the_keyboard_reaches_the_content_first(self, running, device_id, page):
        page.goto(running.url + "/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#content"


def test_login_in_the_browser(running, page):
    page.goto(running.url + "/alerts")
    page.get_by_label("Mã truy cập").fill("tm_wrong")
    page.get_by_role("button", name="Đăng nhập").click()
    assert page.get_by_role("alert").is_visible()
    page.get_by_label("Mã truy cập").fill(running.admin_token)
    page.get_by_role("button", name="Đăng nhập").click()
    assert page.url == running.url + "/alerts"
    page.get_by_role("button", name="Đăng xuất").click()
    assert page.url.startswith(running.url + "/login")
