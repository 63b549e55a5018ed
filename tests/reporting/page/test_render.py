"""The HTML file: self-contained, escaped, the same bytes again, at most as large as allowed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from tests.reporting.page.page_facts import HOSTILE, analysis_rows, facts
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.page.build import RunPage, run_page
from wiseft_jax.reporting.page.compare import compare
from wiseft_jax.reporting.page.render import SCRIPTS, asset, render_page

OPTIONS = {"title": "WiSE-FT: </title><script>", "version": "1.0"}


class Tags(HTMLParser):
    """Collect start tags with their attributes, and what scripts and styles hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inner: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.inner.append((self.tags[-1][0], data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def one() -> str:
    return render_page([run_page(facts())], **OPTIONS)


def several() -> str:
    runs = [facts("first"), facts(HOSTILE[2], seed=1)]
    return render_page([run_page(run) for run in runs], compare(runs), **OPTIONS)


@pytest.mark.parametrize("make", [one, several])
def test_no_text_becomes_markup(make):
    tags = Tags(make())
    assert [each.get("type") for each in tags.named("script")] == ["application/json", None]
    assert tags.named("b") == tags.named("i") == tags.named("img") == []
    attributes = {key for _, each in tags.tags for key in each}
    assert not {key for key in attributes if key.startswith("on")}
    assert "style" not in attributes
    assert tags.named("html") == [{"lang": "en"}]


def test_the_data_are_read_back_as_they_were():
    tags = Tags(one())
    data = json.loads(next(text for name, text in tags.inner if name == "script"))
    assert data["runs"][0]["name"] == 'run <i>"1"</i> & co'
    names = data["runs"][0]["classes"][0]["names"]
    assert names[:3] == list(HOSTILE[:3])
    assert names[3] == "ש�lom 🦉"


def test_nothing_is_fetched_and_only_the_own_script_may_run():
    text = one()
    tags = Tags(text)
    (policy,) = [
        each["content"]
        for each in tags.named("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    for kind in ("style", "script"):
        inner = [inside for name, inside in tags.inner if name == kind][-1]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    links = [each.get("href") for each in tags.named("a")]
    assert links
    assert all(str(link).startswith("#") for link in links)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert tags.named("link") == []


def test_every_link_and_label_leads_somewhere():
    tags = Tags(several())
    ids = [each["id"] for _, each in tags.tags if "id" in each]
    assert len(ids) == len(set(ids))
    for _, each in tags.tags:
        for key in ("for", "aria-labelledby"):
            assert each.get(key) is None or each[key] in ids
        if str(each.get("href")).startswith("#"):
            assert str(each["href"])[1:] in ids


@pytest.mark.parametrize("make", [one, several])
def test_the_same_run_gives_the_same_bytes(make):
    assert make() == make()


def test_without_scripts_the_curve_is_there():
    text = one()
    static = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "<polyline" in static
    assert "Accuracy in %" in static
    assert "sketches" in static


def with_large_images(page: RunPage, size: int) -> RunPage:
    flips = [dataclasses.replace(flip, image="data:" + "A" * size) for flip in page.flips]
    return dataclasses.replace(page, flips=flips)


def test_what_makes_the_page_too_large_is_left_out_and_said():
    page = run_page(facts(sets=[(f"set {i}", "test", "shift") for i in range(4)]))
    assert len(page.flips) > 30
    whole = render_page([page], **OPTIONS)
    large = with_large_images(page, 20_000)
    limit = len(whole.encode()) + 20 * 20_000 + 1_000
    text = render_page([large], **OPTIONS, most_bytes=limit)
    assert len(text.encode()) <= limit
    assert text.count("data:AAA") == 20
    assert "Of each run&#x27;s images that flip 20 are shown, for the page to stay below" in text

    text = render_page([large], **OPTIONS, most_bytes=len(whole.encode()) + 1_000)
    assert "data:AAA" not in text
    assert "No image is shown" in text


def test_rows_classes_and_curves_go_next():
    analyses = {"layers": analysis_rows("layers", count=1000)}
    page = run_page(facts(analyses=analyses))
    least = len(render_page([run_page(facts(analyses={}))], **OPTIONS).encode())
    text = render_page([page], **OPTIONS, most_bytes=least + 40_000)
    assert "Of each analysis the first 300 rows are shown" in text
    assert "Classes are shown" not in text
    with pytest.raises(InputError, match="report fewer runs at once"):
        render_page([page], **OPTIONS, most_bytes=1000)


def luminance(colour: str) -> float:
    """Return a colour's relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_are_told_apart_in_light_and_dark():
    blocks = re.findall(r":root \{(.*?)\}", asset("page.css"), re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in blocks[:2])
    assert light.keys() == dark.keys() >= {"ink", "soft", "blue", "red", "green", "control"}
    for theme in (light, dark):
        for ground in ("paper", "panel"):
            for text in ("ink", "soft", "blue", "red", "green"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
            for mark in ("control", "faint", "focus"):
                assert contrast(theme[mark], theme[ground]) >= 3, (mark, ground)


def test_scripts_write_no_markup():
    for name in SCRIPTS:
        text = asset(name)
        for call in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert call not in text, f"{name}: {call}"
        assert len(text.splitlines()) <= 400
