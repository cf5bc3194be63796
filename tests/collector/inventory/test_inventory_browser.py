"""The inventory pages in a real browser."""

from __future__ import annotations

import os
import shutil

import pytest

REASON = "Đã kiểm tra tem máy tại chỗ"


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
class TestBrowser:
    @pytest.fixture
    def page(self):
        from playwright.sync_api import sync_playwright

        path = shutil.which("chromium")
        if path is None and os.environ.get("THONGMANG_ALLOW_MISSING") == "1":
            pytest.skip("Debian's chromium is not installed and THONGMANG_ALLOW_MISSING=1")
        assert path is not None, "Debian's chromium is not installed: apt-get install chromium"
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=arguments)
            opened = browser.new_page(viewport={"width": 1366, "height": 768})
            complaints = []
            opened.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
            opened.complaints = complaints
            yield opened
            browser.close()

    def login(self, running, page, to):
        page.goto(running.url + to)
        page.locator("input[name=token]").fill(running.admin_token)
        page.locator("main button").click()

    def test_find_open_and_decide_with_the_keyboard(self, running, filled, page):
        self.login(running, page, "/investment-list")
        page.get_by_label("Tìm").fill("dell 7xkq")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=dell*")
        assert page.locator("tbody tr").count() == 1
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        page.locator("select[name=decision]").nth(1).select_option("no")
        page.locator("textarea").fill(REASON)
        page.get_by_role("button", name="Quyết định").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**#line-A*")
        assert "q=dell" in page.url
        assert "cán bộ quyết định" in page.locator("tbody").inner_text()
        assert page.complaints == []

    @pytest.mark.parametrize("width", [1366, 390])
    def test_nothing_runs_out_of_the_screen(self, running, filled, terminal, page, width, import_rows, bad_row):
        other = [terminal("ABC1234") for _ in range(2)]
        import_rows(
            running,
            (1, "16681", "Máy tính nhân bản " * 5, "ABC1234", None, 2012, None, None),
            bad_row,
            name="so-thu-hai-co-ten-rat-dai-" + "x" * 80 + ".xlsx",
        )
        page.set_viewport_size({"width": width, "height": 768})
        self.login(running, page, "/investment-list")
        for path in ("/investment-list", "/identity", "/quality", "/quality/16681", "/register", "/register/2"):
            page.goto(running.url + path)
            page.evaluate("document.querySelectorAll('main details').forEach(one => (one.open = true))")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.goto(f"{running.url}/devices/{other[0]}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.complaints == []

    def test_text_stands_out_from_its_ground(self, running, filled, page):
        self.login(running, page, "/investment-list")
        for path in ("/investment-list", "/identity", "/quality", "/register"):
            page.goto(running.url + path)
            assert page.evaluate(_LOW_CONTRAST) == [], path


# Texts whose contrast with the nearest opaque ground is below 4.5 to 1, as WCAG 2.1 AA asks of normal text.
_LOW_CONTRAST = """() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = node => {
    for (let at = node; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())) continue;
    const [one, two] = [light(numbers(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) found.push(node.tagName + " " + node.className + " " + ratio.toFixed(2));
  }
  return [...new Set(found)];
}"""
