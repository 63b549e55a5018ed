"""The page in a real browser: what moves, what is fetched, keyboard, phone, dark, print."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.browser import Opened, launched, watched
from tests.reporting.page.page_facts import ALPHAS, HOSTILE, SETS, SHIFTS, analysis_rows, facts
from wiseft_jax.core.results import with_matched_references
from wiseft_jax.reporting.page import render
from wiseft_jax.reporting.page.build import run_page
from wiseft_jax.reporting.page.compare import compare
from wiseft_jax.reporting.page.render import render_page
from wiseft_jax.reporting.page.summary import signed
from wiseft_jax.reporting.tables import p_text

pytestmark = pytest.mark.browser

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhg"
    "GAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a page of one run, and one of two."""
    folder = tmp_path_factory.mktemp("pages")
    runs = [facts("first"), facts(HOSTILE[2], seed=1)]
    fields = {"dataset": "sketches", "role": "shift", "other": "photos", "group": "logit"}
    line = [
        {
            **analysis_rows("effective_robustness", metric, **fields)[0],
            "alpha": None,
            "value": value,
        }
        for metric, value in (
            ("baseline_slope", 1.0),
            ("baseline_intercept", -0.1),
            ("baseline_r_squared", 0.08),
        )
    ]
    rho = analysis_rows("effective_robustness", "effective_robustness", **fields)
    others = {"dataset": "photos", "other": "sketches", "alpha": None}
    line += [
        {**line[0], **others, "metric": "baseline_accuracy", "group": f"m{place}", "value": value}
        for place, value in enumerate((0.01, 0.02))
    ]
    robust = facts(analyses={"effective_robustness": [*line, *rho]})
    own = ("its classes", "test", "matched_reference")
    fewer = facts(sets=(*SETS, *SHIFTS, own))
    for name in ("sketches", SHIFTS[1][0], own[0]):
        fewer.predictions[name].num_classes = 2
    named = with_matched_references(fewer.rows, {"sketches": own[0]})
    fewer = dataclasses.replace(fewer, rows=named)
    texts = {
        "one": render_page([run_page(facts())], title="one", version="1"),
        "fewer": render_page([run_page(fewer)], title="fewer", version="1"),
        "robust": render_page([run_page(robust)], title="robust", version="1"),
        "two": render_page(list(map(run_page, runs)), compare(runs), title="two", version="1"),
    }
    found = {}
    for name, text in texts.items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(text.replace('"image":""', f'"image":"{PIXEL}"'), encoding="utf-8")
    return found


@pytest.fixture
def opened(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Yield what opens a page; nothing may have gone wrong in any at the end."""
    with watched(browser) as open_file:
        yield lambda name="one", **options: open_file(files[name], **options)


def cells(opened: Opened, row: str) -> list[str]:
    """Return the cells of a row of the table below the curve."""
    found = opened.page.locator("#curve-table tbody tr", has_text=row).first
    return found.locator("td").all_inner_texts()


def test_the_slider_moves_every_number_by_keyboard(opened: Any) -> None:
    page = opened()
    assert page.alpha() == "0.5 (chosen)"
    stored = facts().predictions["prints"]
    page.page.focus("#alpha")
    seen = [page.numbers()]
    for key, place in (("ArrowRight", 3), ("End", 4), ("Home", 0), ("ArrowRight", 1)):
        page.page.keyboard.press(key)
        alpha = f"{ALPHAS[place]:g}"
        page.settle(alpha)
        assert page.page.get_attribute("#alpha", "aria-valuetext").startswith(f"alpha {alpha}")
        assert page.page.evaluate("document.activeElement.id") == "alpha"
        accuracy = stored.correct[place].mean()
        assert cells(page, "prints")[2] == f"{100 * accuracy:.1f}"
        assert f"At alpha = {alpha}: {100 * accuracy:.1f} %" in page.page.inner_text(
            "#scatter-text"
        )
        first = page.page.locator("#classes-body table tbody tr").first.locator("td").nth(2)
        assert first.inner_text() == f"{100 * stored.correct[place, ::4].mean():.1f}"
        diagonal = page.page.locator("#matrix-chart rect title").all_text_contents()
        assert f"{HOSTILE[0]} → {HOSTILE[0]}: {stored.correct[place, ::4].sum()} of 10" in diagonal
        assert f"at alpha = {alpha}" in page.page.inner_text("#analyses-body").lower()
        seen.append(page.numbers())
    for box in seen[0]:
        assert len({each[box] for each in seen}) == len(seen), box


def test_numbers_are_rounded_as_in_the_tables_of_files(opened: Any) -> None:
    page, source = opened().page, (Path(render.__file__).parent / "assets/charts.js").read_text()

    def texts(function: str, values: list[float]) -> list[Any]:
        return page.evaluate(f"each => {{ {source}\n return each.map({function}) }}", values)

    values = [0.0625, 0.0635, 0.1875, 0.5, 0.98125, 0.03125, 0.12345, 0.049, 1.0, 0.0010001]
    assert texts("pText", values) == [p_text(value) for value in values]
    assert texts("pText", [0.0625]) == ["p = 0.062"]  # a tie
    assert texts("percent", values) == [f"{100 * value:.1f}" for value in values]
    changes = [*values, *(-value for value in values)]
    assert texts("signed", changes) == [signed(change) for change in changes]
    assert texts("signed", [0.0, 1e-6, -1e-6]) == ["0.0"] * 3
    many = [0.15625, 0.46875, 123456.0, -0.15625, 1e-9, 0.0, 0.703125]
    assert texts("(value) => precise(value, 4)", many) == [float(f"{v:.4g}") for v in many]


def test_the_slider_and_the_chart_move_by_mouse(opened: Any) -> None:
    page = opened()
    box = page.page.locator("#alpha").bounding_box()
    page.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    page.settle("1")
    page.page.locator("#curve-chart").scroll_into_view_if_needed()
    box = page.page.locator("#curve-chart svg").bounding_box()
    page.page.mouse.move(box["x"] + 50, box["y"] + 100)
    page.page.mouse.down()
    page.settle("0")
    page.page.mouse.move(box["x"] + 50 + (box["width"] - 198) / 2, box["y"] + 100, steps=3)
    page.settle("0.5")
    page.page.mouse.up()
    page.page.get_by_role("button", name="fine-tuned").click()
    page.settle("1")


def test_choices_change_what_is_shown_and_keep_the_focus(opened: Any) -> None:
    page = opened()
    page.page.select_option("#scatter-shift", "sketches")
    page.page.wait_for_function(
        "document.getElementById('scatter-text').textContent.includes('sketches')"
    )
    page.page.select_option("#class-set", "sketches")
    page.page.wait_for_function("document.getElementById('class-set').value === 'sketches'")
    shown = page.page.locator(".card").count()
    page.page.focus("#flip-kind")
    page.page.select_option("#flip-kind", "learnt")
    page.page.wait_for_function(
        "most => document.querySelectorAll('.card').length < most", arg=shown
    )
    assert page.page.evaluate("document.activeElement.id") == "flip-kind"
    assert page.page.locator(".card img").first.evaluate("each => each.naturalWidth") == 1
    button = page.page.get_by_role("button", name="<b>fog</b> & rain")
    assert button.get_attribute("aria-pressed") == "false"
    button.focus()
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("button.name[aria-pressed=true]")
    assert page.page.evaluate("document.activeElement.textContent") == "<b>fog</b> & rain"


def test_effective_robustness_moves_along_on_its_own_axis(opened: Any) -> None:
    page = opened("robust")
    without = page.page.locator("#scatter-chart > svg > path").count()
    assert "is measured on single shifts" in page.page.inner_text("#scatter-text")
    page.page.select_option("#scatter-shift", "sketches")
    page.page.wait_for_function(
        "document.getElementById('scatter-text').textContent.includes('sketches')"
    )
    said = page.page.inner_text("#scatter-text")
    assert "Effective robustness: +4.5 points; the solid line, where it is in view," in said
    assert "hardly lie on a line here (R\u00b2 = 0.08): this number means little" in said
    assert "accuracies on the reference are 1.0 to 2.0 %: here their line is extrapolated" in said
    assert "% on photos and" in said  # the class-matched axis
    assert page.page.locator("#scatter-chart > svg > path").count() == without + 1
    page.page.focus("#alpha")
    page.page.keyboard.press("End")
    page.settle("1")
    assert "Effective robustness: +7.0 points" in page.page.inner_text("#scatter-text")


def test_a_shift_is_set_against_its_matched_reference_or_said_not_to_be(opened: Any) -> None:
    page = opened("fewer")
    assert "matched reference" in page.page.inner_text("#curve-table")
    assert "Not class-matched" not in page.page.inner_text("#scatter-text")  # of the mean
    for shift, axis in (("sketches", "its classes"), ("<b>fog</b> & rain", "prints")):
        page.page.select_option("#scatter-shift", shift)
        page.page.wait_for_function(
            "shift => document.getElementById('scatter-text').textContent.includes(shift)",
            arg=shift,
        )
        said = page.page.inner_text("#scatter-text")
        assert f"% on {axis} and" in said
        unmatched = "Not class-matched: the shift has 2 of the reference\u2019s 4 classes"
        assert (unmatched in said) == (axis == "prints")


def test_analyses_have_the_chart_that_fits_them(opened: Any) -> None:
    page = opened()
    charts = page.page.locator("#analyses-body .chart")
    assert [each.get_attribute("id") for each in charts.all()] == [
        "calibration-chart", "layers-chart", "cka-chart",
    ]  # fmt: skip
    assert page.page.locator("#calibration-chart path").count() == 1
    assert page.page.locator("#layers-chart rect").count() == 5
    titles = page.page.locator("#cka-chart rect title").all_text_contents()
    assert titles[:2] == ["block_1, block_1: 0.5", "block_1, features: 0.5"]
    assert len(titles) == 4
    page.page.select_option("#cka-pair", "alpha 0 and alpha 1")
    page.page.wait_for_function(
        "document.getElementById('cka-pair').value === 'alpha 0 and alpha 1'"
    )
    missing = page.page.inner_text("#analyses-body ul")
    assert "wiseft report RUN --analyses diversity" in missing
    assert "calibration" not in missing


def test_names_are_shown_as_they_are(opened: Any) -> None:
    page = opened()
    assert page.page.title() == "one"
    names = page.page.locator("#classes-body table").first.locator("tbody th").all_inner_texts()
    assert names == [*HOSTILE[:3], "ש�lom 🦉"]
    assert page.page.locator("main b i, main script, [onerror]").count() == 0


def test_the_keyboard_reaches_everything_in_order(opened: Any) -> None:
    page = opened()
    read = (
        "() => { const e = document.activeElement; return [e.id || e.getAttribute('href') ||"
        " e.textContent.slice(0, 20), parseFloat(getComputedStyle(e).outlineWidth)]; }"
    )
    order = []
    for _ in range(40):
        page.page.keyboard.press("Tab")
        order.append(page.page.evaluate(read))
    names = [name for name, _ in order]
    assert names[:3] == ["#main", "#summary", "#curve"]
    wanted = [
        "alpha",
        "zero-shot",
        "chosen",
        "fine-tuned",
        "scatter-shift",
        "class-set",
        "flip-set",
    ]
    places = [names.index(each) for each in wanted]
    assert places == sorted(places)
    assert all(width >= 2 for _, width in order)
    page.page.keyboard.press("Home")


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("width", [390, 320])
def test_nothing_runs_out_of_a_phone(opened: Any, name: str, width: int) -> None:
    page = opened(name, viewport={"width": width, "height": 844})
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.page.evaluate(
        "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
    )
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    slider = page.page.locator("#alpha").bounding_box()
    assert slider["width"] >= 100
    assert slider["height"] >= 24


def test_dark_mode_is_dark_and_print_is_not(opened: Any) -> None:
    page = opened(color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.page.evaluate(colour) == "rgb(20, 23, 27)"
    assert len(page.page.screenshot(full_page=True)) > 50_000
    page.page.emulate_media(media="print", color_scheme="dark")
    assert page.page.evaluate(colour) == "rgb(255, 255, 255)"
    assert not page.page.locator("#alpha").is_visible()
    assert not page.page.locator("nav").is_visible()
    assert page.page.pdf(format="A4")[:5] == b"%PDF-"
    assert page.page.locator("details:not([open])").count() == 0


def test_several_runs_have_one_slider_and_a_choice(opened: Any) -> None:
    page = opened("two")
    assert page.page.locator("#compare-chart svg path").count() >= 4
    before = page.page.locator("#compare-now").inner_html()
    page.page.focus("#alpha")
    page.page.keyboard.press("Home")
    page.settle("0")
    assert page.page.locator("#compare-now").inner_html() != before
    own = cells(page, "prints")
    page.page.select_option("#run", "1")
    page.settle("0.5")
    assert cells(page, "prints") != own
    assert page.page.locator("#run option").all_inner_texts() == ["first", HOSTILE[2]]


def test_without_scripts_the_curve_and_the_summary_are_there(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.page.locator("noscript svg polyline").count() == 5
    assert page.page.locator("#summary li").count() >= 3
    assert not page.page.locator("#live").is_visible()
