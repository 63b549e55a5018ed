"""Tables, pictures and the report; imports no jax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "accuracy_table": "tables",
        "draw_curve": "curves",
        "markdown_table": "tables",
        "report_markdown": "report",
        "write_report": "report",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.reporting.curves import draw_curve as draw_curve
    from wiseft_jax.reporting.report import report_markdown as report_markdown
    from wiseft_jax.reporting.report import write_report as write_report
    from wiseft_jax.reporting.tables import accuracy_table as accuracy_table
    from wiseft_jax.reporting.tables import markdown_table as markdown_table
