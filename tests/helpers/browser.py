"""A real browser for tests of the report's page: what is opened, and what went wrong in it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextlib.contextmanager
def launched() -> Iterator[Any]:
    """Launch the Chromium that is on PATH, and close it at the end."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path is not None, f"none of {', '.join(BROWSERS)} is on PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield browser
        browser.close()


@contextlib.contextmanager
def watched(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Yield what opens a file; nothing may have gone wrong in any, nor been fetched, at the end."""
    found: list[Opened] = []

    def open_(file: Path, **options: Any) -> Opened:
        found.append(Opened(browser, file, **options))
        return found[-1]

    yield open_
    for each in found:
        each.context.close()
        assert each.wrong == []


class Opened:
    """A page that is open, and what went wrong in it."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1200, "height": 900}, **options}
        )
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append("dialog"), dialog.dismiss()))
        self.page.on("request", self._requested)
        self.page.goto(file.as_uri())

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.wrong.append(request.url)

    def alpha(self) -> str:
        return self.page.text_content("#alpha-value")

    def settle(self, said: str) -> None:
        """Wait until the page shows an alpha."""
        self.page.wait_for_function(
            "said => document.getElementById('alpha-value').textContent.split(' ')[0] === said",
            arg=said,
        )

    def numbers(self) -> dict[str, str]:
        """Return what every chart and table shows."""
        read = "each => each.innerHTML"
        boxes = (
            "#curve-chart", "#curve-table", "#scatter-chart", "#scatter-text", "#matrix-chart",
            "#classes-body table", "#calibration-chart", ".cards",
        )  # fmt: skip
        return {box: self.page.locator(box).first.evaluate(read) for box in boxes}
