"""The report as one HTML file that needs no network: data, text, charts; imports no jax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "RunFacts": "facts",
        "render_page": "render",
        "run_page": "build",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.reporting.page.build import run_page as run_page
    from wiseft_jax.reporting.page.facts import RunFacts as RunFacts
    from wiseft_jax.reporting.page.render import render_page as render_page
