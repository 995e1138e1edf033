"""The pages in a real browser: the system's Chromium without a screen, by Playwright (tox -e browser)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from rnn_spec.cli import main

ROOT = Path(__file__).parents[2]
CARDS = [
    str(ROOT / "fixtures" / "conformance" / f"{name}.json") for name in ("keras", "flax", "onnx", "paddle")
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PHONE = {"width": 390, "height": 844}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The pages by what they show: a layer that conforms, a broken one, five side by side, the history."""
    folder = tmp_path_factory.mktemp("pages")
    for name, subject in (("good", "spec"), ("broken", "fault:w_hh-transposed")):
        main(
            ["check", subject, "--clause", "REC", "--clause", "GRD-01", "--results", str(folder / name)],
            standalone_mode=False,
        )
    broken = str(folder / "broken" / "results.json")
    main(["report", broken, *CARDS, "-o", str(folder / "five.html")], standalone_mode=False)
    main(["report", "--history", "-o", str(folder / "history.html")], standalone_mode=False)
    gate = ["gate", "--from", "2.2.2", "--to", "2.3.1", "--recorded", "--json", str(folder / "gate.json")]
    main(gate, standalone_mode=False)
    shown = ["report", "--gate", str(folder / "gate.json"), "-o", str(folder / "gate.html")]
    main(shown, standalone_mode=False)
    main(["site", str(folder / "site")], standalone_mode=False)
    return {
        "gate": folder / "gate.html",
        "site": folder / "site" / "index.html",
        "site-clauses": folder / "site" / "clauses" / "index.html",
        "site-clause": folder / "site" / "clauses" / "STA-08.html",
        "site-subjects": folder / "site" / "subjects" / "index.html",
        "site-subject": folder / "site" / "subjects" / "paddle.html",
        "site-guide": folder / "site" / "guides" / "guide.html",
        "good": folder / "good" / "report.html",
        "broken": folder / "broken" / "report.html",
        "five": folder / "five.html",
        "history": folder / "history.html",
    }


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium; where there is none, these tests fail: who runs them wants a browser's word."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"none of {', '.join(NAMES)} is on the path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, pages):
    """Open a page by its name; whatever it asks the network for, or complains of, fails the test."""
    contexts, complaints = [], []

    def opened(name, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
        page.goto(pages[name].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


ALL = (
    "good", "broken", "five", "history", "gate", "site", "site-clauses", "site-clause", "site-subjects",
    "site-subject", "site-guide",
)  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_page_scrolls_sideways(visit, name, width):
    """What is wide scrolls in a place of its own."""
    page = visit(name, viewport={"width": width, "height": 900})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """() => {
  const linear = (x) => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const rgb = (c) => c.match(/[0-9.]+/g).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  return [...document.querySelectorAll("main *")].filter((e) => e.checkVisibility() && !e.closest("svg")
      && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
    const ink = light(rgb(getComputedStyle(e).color).slice(0, 3));
    const [a, b] = [ink, light(behind(e))].sort((x, y) => y - x);
    return [(a + .05) / (b + .05), e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 40)];
  }).filter(([ratio]) => ratio < 4.5).slice(0, 5); }"""


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_can_be_read_in_both_schemes(visit, name, scheme):
    """Its contrast is at least the 4.5 to 1 that WCAG asks for."""
    assert visit(name, color_scheme=scheme).evaluate(CONTRAST) == []


def test_the_schemes_differ(visit):
    """Dark is dark."""
    background = "getComputedStyle(document.body).backgroundColor"

    assert visit("good", color_scheme="light").evaluate(background) == "rgb(255, 255, 255)"
    assert visit("good", color_scheme="dark").evaluate(background) != "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["broken", "five"])
def test_the_filters_leave_what_they_say(visit, name):
    """By text, and by each choice; how many are left is said; clearing shows all again."""
    page = visit(name)
    everything, rows = page.locator("tr[data-text]").count(), page.locator("tr[data-text]:visible")

    page.locator("[data-field=text]").fill("REC-0")
    shown = rows.all_inner_texts()
    assert 0 < len(shown) < everything
    assert all("REC-0" in text for text in shown)
    assert page.locator("output").inner_text() == f"{len(shown)} of {everything}"
    page.locator("[data-field=level]").select_option("cell")
    assert 0 < rows.count() < len(shown)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function(f"document.querySelector('output').textContent === '{everything} of {everything}'")


def test_a_flag_leaves_the_clauses_that_were_asked_with_it(visit):
    """And a verdict those that came to it."""
    page = visit("broken")
    page.locator("[data-field=flag]").select_option("relu")
    with_relu = page.locator("tr[data-text]:visible").count()
    page.locator("[data-field=verdict]").select_option("failed")

    assert 0 < page.locator("tr[data-text]:visible").count() < with_relu


@pytest.mark.parametrize("scripts", [True, False])
def test_the_rows_of_a_heat_map_are_picked_by_mouse_and_by_keyboard(visit, scripts):
    """One plane at a time, with scripts and without."""
    page = visit("broken", java_script_enabled=scripts)
    maps = page.locator(".maps").first
    planes = maps.locator(".plane")
    assert [planes.nth(i).is_visible() for i in range(2)] == [True, False]

    maps.locator("label").nth(1).click()
    assert [planes.nth(i).is_visible() for i in range(2)] == [False, True]
    page.keyboard.press("ArrowLeft")
    assert [planes.nth(i).is_visible() for i in range(2)] == [True, False]


@pytest.mark.parametrize("name", ALL)
def test_without_scripts_the_tables_stand_and_nothing_is_offered_that_does_not_work(visit, name):
    """No filter, no copy button; every clause."""
    page = visit(name, java_script_enabled=False)

    assert page.locator(".filters:visible, button:visible").count() == 0
    assert page.locator("h1:visible").count() == 1
    assert page.locator("tr[data-text]:not(:visible)").count() == 0


def test_slash_goes_to_the_filter_and_tab_reaches_the_content_first(visit):
    """By keyboard alone."""
    page = visit("broken")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"


def test_a_reproduction_is_copied(visit, browser):
    """The button says so, and the clipboard has the command."""
    page = visit("broken", permissions=["clipboard-read", "clipboard-write"])
    block = page.locator(".copied").first
    block.get_by_role("button").click()
    page.wait_for_function("document.querySelector('.copied button').textContent !== 'Copy'")

    assert page.evaluate("navigator.clipboard.readText()") == block.locator("pre").inner_text()


def test_printed_it_has_every_plane_and_no_controls(visit):
    """What paper cannot do is not on it."""
    page = visit("broken")
    page.emulate_media(media="print")

    assert page.locator("nav:visible, .filters:visible, button:visible").count() == 0
    planes = page.locator(".plane")
    assert [planes.nth(i).is_visible() for i in range(planes.count())] == [True] * planes.count()


@pytest.mark.parametrize("name", ALL)
def test_colour_is_never_the_only_sign(visit, name):
    """Whatever is coloured by a verdict has its sign or its word, and each picture has its words."""
    page = visit(name)
    coloured = page.locator(".good, .bad, .part, td.holds, td.fails")
    texts = coloured.all_text_contents() or ["✓"]

    signs = set("✓✗≈?◐!·+=")
    assert [t for t in texts if t.strip() and not signs & set(t) and not t.startswith("Not whole")] == []
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
