"""The built site in a real browser, with every other host out of reach."""

import http.server
import os
import shutil
import threading
from functools import partial
from urllib.parse import urljoin, urlsplit

import pytest

from .test_site import ROOT, toc_pages

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the PyPI package playwright")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDTHS = (360, 768, 1280)

pytestmark = pytest.mark.browser


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site):
    """Address of a server of the built site, on this machine."""
    handler = partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """A Chromium of this machine."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = "needs Chromium: install the system package chromium (none is downloaded)"
        # where a browser is promised, its absence must not look like success
        (pytest.fail if os.environ.get("KNOTES_REQUIRE_BROWSER") else pytest.skip)(reason)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS.split())
        yield chromium
        chromium.close()


class Watched:
    """A page of the site, and everything that went wrong on it."""

    def __init__(self, browser, address, **options):
        self.address, self.problems = address, []
        self.context = browser.new_context(**options)
        self.context.route("**/*", self._route)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        self.page.on("response", self._response)
        self.page.on("requestfailed", self._failed)

    def _route(self, route):
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.problems.append(f"request to another host: {route.request.url}")
            route.abort()

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # leaving a page ends what it still loads
            self.problems.append(f"request failed: {request.url}: {request.failure}")

    def _response(self, response):
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

    def open(self, name):
        """Open a page and wait until its scripts have run."""
        self.page.goto(urljoin(self.address, f"{name}.html"), wait_until="load")
        self.page.wait_for_function("document.fonts.status === 'loaded'")
        self.page.wait_for_timeout(100)
        return self.page


@pytest.fixture
def watch(browser, address):
    """Open a page; what went wrong on it fails the test at its end."""
    opened = []

    def start(name, **options):
        opened.append(Watched(browser, address, **options))
        return opened[-1].open(name)

    yield start
    problems = [problem for watched in opened for problem in watched.problems]
    for watched in opened:
        watched.context.close()
    assert problems == []


# Boxes that scroll sideways and cannot be reached by keyboard.
STUCK = """() => [...document.querySelectorAll("article :is(pre, .text_html, div.math)")]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0 && e.checkVisibility()
               && getComputedStyle(e).overflowX !== "visible")
  .map(e => e.textContent.trim().slice(0, 40))"""

# Text whose contrast with what lies behind it is below 4.5 : 1 (3 : 1 if large), as WCAG counts.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255);
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement)
      layers.unshift(rgba(getComputedStyle(e).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const shown = {visibilityProperty: true, opacityProperty: true};
  const faint = new Set();
  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility(shown)) continue;
    if (element.closest("button, .headerlink, svg, script, style")) continue;
    const style = getComputedStyle(element), ground = behind(element);
    const [a, b] = [light(over(rgba(style.color), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    const what = `${element.tagName}.${element.className} ${text.slice(0, 30)}`;
    if (ratio < (large ? 3 : 4.5)) faint.add(`${ratio.toFixed(2)} ${style.color} ${what}`);
  }
  return [...faint];
}"""


@pytest.mark.parametrize("name", toc_pages())
def test_a_page_is_whole_at_every_width(watch, name):
    page = watch(name, viewport={"width": WIDTHS[0], "height": 800})
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} at {width} px scrolls sideways to {wide} px"
        if width == WIDTHS[0]:
            stuck = page.evaluate(STUCK)
            assert not stuck, f"{name}: boxes that scroll but take no keyboard focus: {stuck}"
    formulas = page.evaluate(
        """[...document.querySelectorAll("article math")].map(m => {
             const box = m.getBoundingClientRect();
             return [box.width, box.height, m.textContent];
           })"""
    )
    for across, high, text in formulas:
        assert min(across, high) > 0, f"{name}: formula {text!r} is not drawn"
        assert "\\" not in text, f"{name}: LaTeX in {text!r}"
    if formulas:
        assert page.evaluate("document.fonts.check('16px \"Book Math\"', '∑')")
    page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait_for_function("[...document.images].every(i => i.complete)")
    missing = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
    assert not missing, f"{name}: pictures that did not load: {missing}"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}'")
        faint = page.evaluate(CONTRAST)
        assert not faint, f"{name}, {scheme}: text that is hard to read: {faint}"


def test_there_is_one_search_field_and_it_finds_conv2d(watch):
    page = watch("book/index", viewport={"width": 1280, "height": 800})
    fields = page.locator(".search-button-field:visible")
    assert fields.count() == 1
    fields.click()
    page.keyboard.type("Conv2D")
    found = page.locator('#pst-search-dialog a[href*="book/layers/conv2d.html"]').first
    found.wait_for(timeout=10_000)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Conv2D*")
    first = page.locator("ul.search li a").first
    first.wait_for(timeout=10_000)
    assert "conv2d.html" in first.get_attribute("href")


def test_the_phone_has_one_way_to_search(watch):
    page = watch("book/layers/dense", viewport={"width": 360, "height": 800})
    assert page.locator(".search-button-field:visible, .search-button:visible").count() == 1
    page.locator(".search-button:visible").click()
    assert page.locator("#pst-search-dialog input").is_visible()


def test_the_copy_button_copies_a_cell(watch):
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    page = watch("book/layers/dense", viewport={"width": 1280, "height": 800}, **options)
    cell = page.locator("div.cell_input div.highlight").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_selector("button.copybtn.success")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


@pytest.mark.parametrize("suffix", [".ipynb", ".md"])
def test_a_page_can_be_saved(watch, suffix):
    page = watch("book/layers/dense", viewport={"width": 1280, "height": 800})
    page.locator(".dropdown-download-buttons > button").click()
    with page.expect_download() as waiting:
        page.locator(f'.dropdown-download-buttons a[href$="{suffix}"]').click()
    path = waiting.value.path()
    assert waiting.value.suggested_filename == f"dense{suffix}"
    assert path.read_bytes() == (ROOT / f"book/layers/dense{suffix}").read_bytes()


def test_the_reader_chooses_light_or_dark(watch):
    page = watch("book/index", color_scheme="light", viewport={"width": 1280, "height": 800})
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for _ in range(3):  # auto, light, dark
        page.locator("button.theme-switch-button:visible").click()
        seen.add((page.evaluate("document.documentElement.dataset.theme"), page.evaluate(ground)))
    assert {theme for theme, _ in seen} == {"light", "dark"}
    assert len({color for _, color in seen}) == 2


def test_a_solution_opens(watch):
    page = watch("book/layers/dense", viewport={"width": 360, "height": 800})
    solution = page.locator("div.solution.dropdown").first
    inside = solution.locator("div.cell").first
    assert not inside.is_visible()
    solution.locator(".toggle-button").click()
    inside.wait_for(state="visible")


def test_a_mark_of_an_older_note_is_an_anchor(watch):
    page = watch("book/layers/dense", viewport={"width": 1280, "height": 800})
    mark = page.locator("a.knotes-note[id]").first
    mark.click()
    assert urlsplit(page.url).fragment == mark.get_attribute("id")
    assert "older notes" in mark.get_attribute("title")


def test_the_index_of_the_api_is_narrowed_by_typing(watch):
    page = watch("book/reference/api", viewport={"width": 360, "height": 800})
    entries = page.locator(".knotes-index dt:visible")
    everything = entries.count()
    page.locator("input.knotes-filter").fill("GlorotUnif")
    assert entries.count() < 5 < everything
    assert page.locator('dt[id="keras.initializers.GlorotUniform"]').is_visible()
    assert page.locator("h2:visible").count() < 3
    page.locator("input.knotes-filter").fill("")
    assert entries.count() == everything


def test_a_name_in_code_leads_to_where_it_is_taught(watch):
    page = watch("book/regularizers/l1-l2", viewport={"width": 1280, "height": 800})
    name = page.locator("a.knotes-api", has_text="Dense").first
    assert name.get_attribute("title").startswith("keras.layers.Dense: ")
    name.click()
    page.wait_for_url("**/layers/dense.html#keras-layers-dense")
