"""The page of a run that the program made, analysed, opened from the disk in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Workshop
from tests.helpers.browser import Opened, launched, watched
from wiseft_jax.cli.main import main
from wiseft_jax.core.results import Row, read_rows

pytestmark = pytest.mark.browser

ALPHAS = ("0", "0.25", "0.5", "0.75", "1")
ANALYSES = ("diversity", "overrides", "landscape", "calibration", "ensembles", "classes", "flips")

BEYOND = """(width) => [...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  const inside = each.closest(".scroll") && !each.classList.contains("scroll");
  return box.width && !inside && !each.closest(".skip") && (box.right > width + 1 || box.left < -1);
}).map((each) => `${each.tagName}#${each.id}: ${each.textContent.slice(0, 40)}`)"""
"""What is beyond the window at either side, but for tables, which scroll in their own boxes."""

CUT = """() => [...document.querySelectorAll(".chart svg text")].filter((each) => {
  const [text, box] = [each, each.closest("svg")].map((of) => of.getBoundingClientRect());
  return text.left < box.left - 1 || text.right > box.right + 1 || text.bottom > box.bottom + 2;
}).map((each) => `${each.closest(".chart").id}: ${each.textContent}`)"""
"""Texts of charts that their pictures cut off."""


@pytest.fixture(scope="module")
def run(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the trained run, swept at five alphas, analysed and reported."""
    copy = tmp_path_factory.mktemp("page") / "run"
    shutil.copytree(workshop.run, copy)
    assert main(["sweep", str(copy), "--sweep.alphas", *ALPHAS, "-q"]) == 0
    assert main(["report", str(copy), "--analyses", *ANALYSES, "--no-pictures", "-q"]) == 0
    assert main(["report", str(copy), "-q"]) == 0
    return copy


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture
def opened(browser: Any, run: Path) -> Iterator[Any]:
    """Yield what opens the page; nothing may have gone wrong, nor been fetched, at the end."""
    with watched(browser) as open_file:

        def open_(**options: Any) -> Opened:
            found = open_file(run / "report.html", **options)
            found.page.wait_for_selector("#curve-table tbody tr")
            return found

        yield open_


def line_of(page: Opened, name: str) -> list[str]:
    """Return the cells of a set's line below the curve: kind, n, accuracy, interval, ..."""
    lines = page.page.locator("#curve-table tbody tr")
    (own,) = [each for each in lines.all() if each.locator("button").text_content() == name]
    return own.locator("td").all_text_contents()


def stored_at(rows: list[Row], alpha: float) -> list[Row]:
    found = [row for row in rows if (row["metric"], row["alpha"]) == ("top1", alpha)]
    assert len(found) >= 3
    return found


def test_the_slider_shows_the_numbers_of_the_results(opened: Any, run: Path) -> None:
    page, rows = opened(), read_rows(run)
    page.page.focus("#alpha")
    page.page.keyboard.press("Home")
    for place, alpha in enumerate(ALPHAS):
        if place:
            page.page.keyboard.press("ArrowRight")
        page.settle(alpha)
        for row in stored_at(rows, float(alpha)):
            cells = line_of(page, row["dataset"])
            assert cells[1:4] == [
                f"{row['n']}",
                f"{100 * row['value']:.1f}",
                f"{100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}",
            ]


def test_analyses_open_on_what_tells_most_and_are_called_as_people_do(opened: Any) -> None:
    page = opened().page
    assert page.locator("#calibration-metric").evaluate("each => each.value") == "ece"
    names = page.locator("#calibration-metric option").all_text_contents()
    assert {"ECE", "NLL"} <= {*names}
    assert "KL divergence" in page.locator("#diversity-metric option").all_text_contents()
    assert page.locator("#ensembles-metric").evaluate("each => each.value").endswith("_gain")
    assert {"Ece", "Nll", "Kl divergence"}.isdisjoint(page.locator("option").all_text_contents())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_is_beyond_the_window_or_cut(opened: Any, width: int, dark: bool) -> None:
    scheme = "dark" if dark else "light"
    page = opened(viewport={"width": width, "height": 844}, color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for end in ("Home", "End"):
        page.focus("#alpha")
        page.keyboard.press(end)
        page.wait_for_timeout(50)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(BEYOND, width) == []
        assert page.evaluate(CUT) == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_on_a_phone_the_accuracies_are_in_view(opened: Any) -> None:
    """What the page is about may not need scrolling to the side."""
    page = opened(viewport={"width": 390, "height": 844}).page
    box = page.locator("#curve-table .scroll").evaluate(
        "each => [each.scrollWidth, each.clientWidth]"
    )
    assert box[0] <= box[1]
    for kind in page.locator("#curve-table small.kind").all():
        assert kind.is_visible()


def test_everything_that_is_moved_is_reached_by_keyboard(opened: Any) -> None:
    page = opened(viewport={"width": 390, "height": 844}).page
    wanted = page.locator("input, select, button, summary").count()
    reached = set()
    for _ in range(2 * wanted + 40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "() => { const e = document.activeElement; if (!e.matches('input, select, button,"
            " summary')) return null; const s = getComputedStyle(e); return [[...document"
            ".querySelectorAll('input, select, button, summary')].indexOf(e),"
            " parseFloat(s.outlineWidth)]; }"
        )
        if found is not None:
            place, outline = found
            assert outline >= 2
            reached.add(place)
        if len(reached) == wanted:
            break
    assert len(reached) == wanted


def test_print_has_no_controls_and_all_of_the_report(opened: Any) -> None:
    page = opened(viewport={"width": 794, "height": 1123}, color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#alpha").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.locator("#curve-table").is_visible()
    assert page.pdf(format="A4")[:5] == b"%PDF-"
    assert page.locator("details:not([open])").count() == 0
